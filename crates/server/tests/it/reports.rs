//! The reports of the server: API, metrics, health, statistics, the page, dashboards.

mod alarms;
mod api;
mod dashboards;
mod faults;
mod metrics_document;
mod page;
mod reporting;
