//! The scripts that run inside Redis. They decide nothing but whether a writer is the owner.

use redis::{Cmd, Value, from_redis_value};

use crate::connect::Link;
use crate::failure::Failure;

/// For scripts that only free memory or keep the owner alive: they run also when memory is full.
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
        let name = match &self.name {
            Some(name) => name.clone(),
            None => self.load(link).await?,
        };
        match link.ask(&call(&name, arguments)).await {
            Err(failure) if failure.is_missing_script() => {
                let name = self.load(link).await?;
                link.ask(&call(&name, arguments)).await
            }
            answer => answer,
        }
    }

    async fn load(&mut self, link: &Link) -> Result<String, Failure> {
        let loaded = link.ask(redis::cmd("SCRIPT").arg("LOAD").arg(&self.text)).await?;
        let name: String = from_redis_value(loaded).map_err(redis::RedisError::from)?;
        self.name = Some(name.clone());
        Ok(name)
    }
}

fn call(name: &str, arguments: &(dyn Fn(&mut Cmd) + Sync)) -> Cmd {
    let mut command = redis::cmd("EVALSHA");
    command.arg(name);
    arguments(&mut command);
    command
}
