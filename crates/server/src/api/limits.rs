//! Limits of task types and settings of tenants. Those of queues are among their other settings, in `queues`.

use mainspring_core::event::Order;
use mainspring_core::id::Name;
use mainspring_core::limits::NAME_CHARS_MAX;
use mainspring_core::permit::{LimitRow, LimitScope, LimitsPatch};
use mainspring_protocol::problem::{Code, Problem};
use mainspring_protocol::settings::{TenantSettings, TenantView, TypeSettings, TypeView, limits_of};
use mainspring_protocol::view::Page;

use super::call::{Answer, Call, Refused};
use super::metrics::figures;
use super::params::cut;
use super::reply::{not_called, ok};
use super::route::{BodyKind, Route};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/types", "listTypes", "Every task type that has limits", |call| Box::pin(types(call)))
            .gives::<Page<TypeView>>(),
        Route::patch("/api/v1/types/{type}", "patchType", "Changes the limits of a task type", |call| {
            Box::pin(patch_type(call))
        })
        .reads::<TypeSettings>(BodyKind::Json)
        .gives::<TypeView>(),
        Route::get("/api/v1/tenants", "listTenants", "Every tenant that has settings", |call| Box::pin(tenants(call)))
            .gives::<Page<TenantView>>(),
        Route::patch("/api/v1/tenants/{tenant}", "patchTenant", "Changes the settings of a tenant", |call| {
            Box::pin(patch_tenant(call))
        })
        .reads::<TenantSettings>(BodyKind::Json)
        .gives::<TenantView>(),
    ]
}

async fn types(call: Call) -> Answer {
    let rows = figures(&call.api).await?.limits;
    let of_types = rows.iter().filter(|row| row.scope == LimitScope::Type);
    ok(&Page::whole(of_types.map(|row| TypeView::new(&row.name, &row.limits)).collect()))
}

async fn tenants(call: Call) -> Answer {
    let rows = figures(&call.api).await?.limits;
    let of_tenants = rows.iter().filter(|row| row.scope == LimitScope::Tenant);
    ok(&Page::whole(of_tenants.map(|row| TenantView::new(&row.name, &row.limits)).collect()))
}

async fn patch_type(mut call: Call) -> Answer {
    let settings: TypeSettings = call.json().await?;
    let name = given(&call, "type")?;
    let rows = set(&call, LimitScope::Type, &name, settings.patch()?).await?;
    ok(&TypeView::new(&name, &limits_of(&rows, LimitScope::Type, &name)))
}

async fn patch_tenant(mut call: Call) -> Answer {
    let settings: TenantSettings = call.json().await?;
    let name = given(&call, "tenant")?;
    let rows = set(&call, LimitScope::Tenant, &name, settings.patch()?).await?;
    ok(&TenantView::new(&name, &limits_of(&rows, LimitScope::Tenant, &name)))
}

/// Changes limits; gives back all that are set then.
pub(crate) async fn set(
    call: &Call,
    scope: LimitScope,
    name: &Name,
    patch: LimitsPatch,
) -> Result<Vec<LimitRow>, Refused> {
    if patch == LimitsPatch::default() {
        let problem = Problem::new(Code::MissingField, "nothing to change");
        return Err(Box::new(problem.with_hint("name what shall change; `null` takes a limit away")));
    }
    let order = Order::SetLimits { scope, name: name.clone(), patch };
    call.api.node.order(call.actor(), order).await.map_err(not_called)?;
    Ok(figures(&call.api).await?.limits)
}

/// A segment that names a type or a tenant, which need not be known yet.
fn given(call: &Call, segment: &str) -> Result<Name, Refused> {
    let text = call.segment(segment);
    if (1..=NAME_CHARS_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        return Ok(text.into());
    }
    let problem = Problem::new(Code::InvalidPath, format!("`{}` is not the name of a {segment}", cut(text)));
    Err(Box::new(problem.with_hint("a name is 1 to 256 characters, none of them a control character")))
}
