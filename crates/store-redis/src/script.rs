//! The scripts that run inside Redis. They decide nothing but whether a writer is the owner.

use redis::{Cmd, Value};

use crate::connect::Link;
use crate::failure::Failure;
use crate::fetch::take;

/// For scripts that only free memory or settle who owns what: they run also when memory is full.
const ALWAYS: &str = "#!lua flags=allow-oom\n";
/// For scripts that write rows: Redis refuses to start them when memory is full.
const WITHIN_MEMORY: &str = "#!lua\n";

/// A script and its name in the server's cache.
#[derive(Debug)]
pub(crate) struct Script {
    text: String,
    name: Option<String>,
}

impl Script {
    pub(crate) fn open() -> Self {
        Self::new(ALWAYS, include_str!("script/open.lua"))
    }

    pub(crate) fn acquire() -> Self {
        Self::new(ALWAYS, include_str!("script/acquire.lua"))
    }

    pub(crate) fn beat() -> Self {
        Self::new(ALWAYS, include_str!("script/beat.lua"))
    }

    pub(crate) fn release() -> Self {
        Self::new(ALWAYS, include_str!("script/release.lua"))
    }

    pub(crate) fn commit() -> Self {
        Self::new(WITHIN_MEMORY, include_str!("script/commit.lua"))
    }

    /// A commit that brings nothing new.
    pub(crate) fn shrink() -> Self {
        Self::new(ALWAYS, include_str!("script/commit.lua"))
    }

    fn new(head: &str, body: &str) -> Self {
        Self { text: [head, body].concat(), name: None }
    }

    /// Runs it; `arguments` are the number of keys, the keys and the rest. Where the server does not have it, nothing ran,
    /// and it is loaded and run again. Otherwise it is run once, whatever happens.
    ///
    /// # Errors
    /// The server's.
    pub(crate) async fn run(&mut self, link: &Link, arguments: &(dyn Fn(&mut Cmd) + Sync)) -> Result<Value, Failure> {
        let command = self.call(link, arguments).await?;
        match link.ask(&command).await {
            Err(failure) if failure.is_missing_script() => {
                self.forget();
                let command = self.call(link, arguments).await?;
                link.ask(&command).await
            }
            answer => answer,
        }
    }

    /// The command that runs it; it is loaded first if that was not done.
    pub(crate) async fn call(&mut self, link: &Link, arguments: &(dyn Fn(&mut Cmd) + Sync)) -> Result<Cmd, Failure> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => {
                let loaded = link.ask(redis::cmd("SCRIPT").arg("LOAD").arg(&self.text)).await?;
                self.name.insert(take(loaded)?).clone()
            }
        };
        let mut command = redis::cmd("EVALSHA");
        command.arg(name);
        arguments(&mut command);
        Ok(command)
    }

    /// The server does not have it; the next call loads it again.
    pub(crate) fn forget(&mut self) {
        self.name = None;
    }
}
