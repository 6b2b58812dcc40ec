//! When schedules are due: cron expressions, intervals and single instants, in the time zones of the IANA database.
//!
//! Pure: no clock, no I/O, no randomness, nothing of the system it runs on. The database of zones is built in. Every question is answered from the
//! instant it is about, forwards ([`Plan::next_after`]) or backwards ([`Plan::latest_before`]), in a bounded number of steps.
//!
//! ```
//! use mainspring_calendar::{Cron, DstPolicy, Plan, Zone};
//!
//! let cron = Cron::parse("30 2 * * *")?;
//! let plan = Plan::cron(&cron, Zone::get("Europe/Berlin")?, DstPolicy::Vixie);
//! // On 2026-03-29 the clock goes from 02:00 to 03:00; the run comes at once after the gap.
//! let next = plan.next_after("2026-03-28T12:00:00Z".parse()?);
//! assert_eq!(next, Some("2026-03-29T01:00:00Z".parse()?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod civil;
mod cron;
mod dst;
mod exclusion;
mod misfire;
mod plan;
mod walk;
mod zone;

pub use cron::{Cron, CronError};
pub use dst::{DstPolicy, Note, UnknownDstPolicy};
pub use exclusion::{Calendar, CalendarError, Exclusions};
pub use jiff::Timestamp;
pub use misfire::{CatchUp, Due, MisfirePolicy, Passed, PassedReason};
pub use plan::{Occurrence, Plan, PlanError};
pub use zone::{UnknownZone, Zone};
