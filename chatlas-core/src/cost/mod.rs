//! The cost of model calls: [`Prices`] of models, the [`Cost`] of calls, and the
//! [totals of the process](usage).
//!
//! `price` is one price, `table` finds it by vendor and model, `read` parses files of prices, `amount`
//! is a cost, `reply` is the cost of a turn, `recorded` are the
//! prices that telemetry uses, and `totals` are the counts of the process.

mod amount;
mod price;
mod read;
mod recorded;
mod reply;
mod table;
mod totals;

pub use amount::Cost;
pub use price::Price;
pub use read::PricesError;
pub use recorded::{record_costs, recorded_prices};
pub use table::{PricedCall, Prices};
pub use totals::{ModelUsage, reset_usage, usage};

pub(crate) use recorded::RecordedCall;
pub(crate) use totals::count_reply;
