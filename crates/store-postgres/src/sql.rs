//! One connection, and how this crate speaks over it.
//!
//! A pooler may hand each transaction to another server connection. So nothing here leaves anything behind in a session:
//! statements are never named, settings are `SET LOCAL`, tables carry their schema. A transaction's statements are sent
//! together, `BEGIN` and `COMMIT` among them, and cost one round trip.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio_postgres::tls::TlsStream;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Connection, NoTls, Row, Socket};

use crate::failure::Failure;
use crate::url::Target;

/// Longest wait for the answer to one transaction.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(20);

/// How a transaction that only reads begins: all its statements see one moment.
pub(crate) const BEGIN_READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL jit = off; \
    SET LOCAL enable_seqscan = off; SET LOCAL idle_in_transaction_session_timeout = '5s'";

/// How a transaction that writes begins. An owner that was stopped in the middle must not block the next one; rows are
/// always reached through an index, whatever the statistics say about a young table.
pub(crate) const BEGIN_WRITING: &str = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE; \
    SET LOCAL idle_in_transaction_session_timeout = '1s'; SET LOCAL lock_timeout = '5s'; \
    SET LOCAL jit = off; SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";

/// A value bound to a statement.
pub(crate) type Bound<'a> = (Box<dyn ToSql + Send + Sync + 'a>, Type);

/// A statement with its values. `@` in its text stands for the schema.
pub(crate) struct Statement<'a> {
    sql: String,
    values: Vec<Bound<'a>>,
}

impl<'a> Statement<'a> {
    pub(crate) fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), values: Vec::new() }
    }

    pub(crate) fn with(sql: String, values: Vec<Bound<'a>>) -> Self {
        Self { sql, values }
    }

    pub(crate) fn bind(mut self, value: impl ToSql + Send + Sync + 'a, kind: Type) -> Self {
        self.values.push((Box::new(value), kind));
        self
    }

    pub(crate) fn int(self, value: i64) -> Self {
        self.bind(value, Type::INT8)
    }

    pub(crate) fn ints(self, values: Vec<i64>) -> Self {
        self.bind(values, Type::INT8_ARRAY)
    }

    /// A text, in the form in which texts are stored.
    pub(crate) fn text(self, text: &'a str) -> Self {
        self.bind(crate::text::stored(text), Type::TEXT)
    }
}

/// A connection.
pub(crate) struct Session {
    client: Client,
    schema: Arc<str>,
}

impl Session {
    /// Connects. The connection ends when this is dropped.
    pub(crate) async fn open(target: &Target) -> Result<Self, tokio_postgres::Error> {
        let client = match &target.tls {
            None => drive(target.config.connect(NoTls).await?),
            Some(tls) => drive(target.config.connect(tls.clone()).await?),
        };
        Ok(Self { client, schema: format!("\"{}\".", target.schema).into() })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// A text with the schema in place of `@`.
    pub(crate) fn expand(&self, sql: &str) -> String {
        sql.replace('@', &self.schema)
    }

    /// Runs a script of statements.
    pub(crate) async fn script(&self, sql: &str) -> Result<(), Failure> {
        self.client.batch_execute(&self.expand(sql)).await?;
        Ok(())
    }

    /// Runs one statement.
    pub(crate) async fn query(&self, statement: Statement<'_>) -> Result<Vec<Row>, Failure> {
        match tokio::time::timeout(ANSWER_MAX, self.send(statement)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::Silent(ANSWER_MAX)),
        }
    }

    async fn send(&self, statement: Statement<'_>) -> Result<Vec<Row>, Failure> {
        let sql = self.expand(&statement.sql);
        let values: Vec<(&(dyn ToSql + Sync), Type)> =
            statement.values.iter().map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone())).collect();
        Ok(self.client.query_typed(&sql, &values).await?)
    }

    /// Runs a transaction in one round trip and gives the rows of each statement. After an error nothing of it is applied,
    /// unless the connection was lost: then nobody knows.
    pub(crate) async fn transact(&self, begin: &str, statements: Vec<Statement<'_>>) -> Result<Vec<Vec<Row>>, Failure> {
        match tokio::time::timeout(ANSWER_MAX, self.pipeline(begin, statements)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::Silent(ANSWER_MAX)),
        }
    }

    async fn pipeline(&self, begin: &str, statements: Vec<Statement<'_>>) -> Result<Vec<Vec<Row>>, Failure> {
        type Answer<'f> = Pin<Box<dyn Future<Output = Result<Vec<Row>, Failure>> + Send + 'f>>;
        let say = |sql: &'static str| async move {
            self.client.batch_execute(sql).await?;
            Ok(Vec::new())
        };
        let begin = async move {
            self.client.batch_execute(begin).await?;
            Ok(Vec::new())
        };
        let mut waiting: Vec<Answer<'_>> = vec![Box::pin(begin)];
        waiting.extend(statements.into_iter().map(|statement| Box::pin(self.send(statement)) as Answer<'_>));
        waiting.push(Box::pin(say("COMMIT")));
        let mut answers = in_order(waiting).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        answers.pop();
        answers.remove(0);
        Ok(answers)
    }
}

/// Keeps a connection going until its client is dropped.
fn drive<T>((client, connection): (Client, Connection<Socket, T>)) -> Client
where
    T: TlsStream + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = crate::failure::text(&error), "a connection to the database ended");
        }
    });
    client
}

/// Polls futures in their order, so that each sends its request before the next does, and waits for all.
async fn in_order<T>(mut futures: Vec<Pin<Box<dyn Future<Output = T> + Send + '_>>>) -> Vec<T> {
    let mut answers: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut waits = false;
        for (future, answer) in futures.iter_mut().zip(&mut answers) {
            if answer.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(value) => *answer = Some(value),
                    Poll::Pending => waits = true,
                }
            }
        }
        if waits { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    answers.into_iter().flatten().collect()
}
