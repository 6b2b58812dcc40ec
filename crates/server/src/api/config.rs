//! The configuration of this node: reading it again.

use axum::http::StatusCode;
use mainspring_protocol::problem::{Code, Problem};
use mainspring_protocol::view::ReloadView;

use super::call::{Answer, Call};

use super::reply::json;
use super::route::Route;
use super::tasks::Nothing;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::post(
            "/api/v1/config/reload",
            "reloadConfig",
            "Reads the configuration of this node again, all of it or nothing",
            |call| Box::pin(reload(call)),
        )
        .gives::<ReloadView>(),
    ]
}

async fn reload(mut call: Call) -> Answer {
    call.json::<Nothing>().await?;
    let Some(reloader) = &call.api.reloader else {
        let problem =
            Problem::new(Code::InvalidConfig, "this server was started without a configuration to read again");
        return Err(Box::new(problem.with_hint("`mainspring serve` and `mainspring dev` have one")));
    };
    match reloader.reload(&call.api, call.actor()).await {
        Ok(view) => json(StatusCode::OK, &view),
        Err(error) => {
            tracing::error!(%error, "the configuration was not reloaded; what was good before still holds");
            Err(Box::new(Problem::from(&error)))
        }
    }
}
