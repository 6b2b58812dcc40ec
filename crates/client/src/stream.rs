//! Endless answers: the event feed and live logs, resumed where they broke.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderName};
use reqwest::{Method, Response};

use crate::client::{Call, Client};
use crate::error::Error;
pub use crate::sse::Message;
use crate::sse::Parser;

/// How often in a row a broken stream is opened again before it is given up.
const REOPENINGS_MAX: u32 = 8;
/// The wait before the first reopening; each further one doubles it.
const REOPENING_PAUSE: Duration = Duration::from_millis(50);

/// A stream of server-sent events. If the connection breaks it is opened again with `Last-Event-ID`, so that no event is
/// missed and none comes twice. It ends when the server says `end`.
#[derive(Debug)]
pub struct Stream {
    client: Client,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    last_id: Option<String>,
    response: Option<Response>,
    parser: Parser,
    ready: VecDeque<Message>,
    ended: bool,
}

impl Stream {
    /// Opens a stream; the first answer of the server is awaited.
    pub(crate) async fn open(
        client: &Client,
        path: Vec<&str>,
        query: Vec<(&'static str, String)>,
        last_id: Option<String>,
    ) -> Result<Self, Error> {
        let mut stream = Self {
            client: client.clone(),
            path: path.into_iter().map(str::to_owned).collect(),
            query,
            last_id,
            response: None,
            parser: Parser::default(),
            ready: VecDeque::new(),
            ended: false,
        };
        stream.connect().await?;
        Ok(stream)
    }

    /// The next message; `None` once the server has ended the stream.
    ///
    /// # Errors
    /// [`Error::Unreachable`] if the server stays away for several seconds, [`Error::Problem`] if it refuses to go on.
    pub async fn next(&mut self) -> Result<Option<Message>, Error> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                if message.id.is_some() {
                    self.last_id.clone_from(&message.id);
                }
                if message.event == "end" {
                    self.ended = true;
                    self.ready.clear();
                    self.response = None;
                    return Ok(None);
                }
                return Ok(Some(message));
            }
            if self.ended {
                return Ok(None);
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), Error> {
        let Some(response) = &mut self.response else {
            return self.reconnect().await;
        };
        match response.chunk().await {
            Ok(Some(bytes)) => self.ready.extend(self.parser.push(&bytes)),
            // A stream without ids cannot be resumed: its end is the end. Otherwise an end without the word `end` is a
            // server that went away, like an error.
            Ok(None) if self.last_id.is_none() => self.ended = true,
            Ok(None) | Err(_) => self.response = None,
        }
        Ok(())
    }

    async fn reconnect(&mut self) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            tokio::time::sleep(REOPENING_PAUSE * 2_u32.pow(tries)).await;
            tries += 1;
            match self.connect().await {
                Err(error) if error.is_transient() && tries < REOPENINGS_MAX => {}
                result => return result,
            }
        }
    }

    async fn connect(&mut self) -> Result<(), Error> {
        let mut headers = vec![(ACCEPT, "text/event-stream".to_owned())];
        if let Some(id) = self.last_id.as_ref().filter(|id| !id.is_empty()) {
            headers.push((HeaderName::from_static("last-event-id"), id.clone()));
        }
        let path = self.path.iter().map(String::as_str).collect();
        let call = Call { path, query: self.query.clone(), headers, endless: true, ..Call::default() };
        let response = self.client.send(Method::GET, call).await?;
        // 204 is how a server tells an SSE client not to come back.
        self.ended = response.status().as_u16() == 204;
        self.response = Some(response);
        self.parser = Parser::default();
        Ok(())
    }
}
