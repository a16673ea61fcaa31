//! The example programs as a user runs them, each in its own process, and the documents that
//! describe them.

#[path = "../support"]
mod support {
    pub mod browser;
    pub mod otlp;
    pub mod programs;
}

mod async_client;
mod backends;
mod docs;
mod examples;
mod extract;
mod five_questions;
mod html_report;
mod live_page;
mod report_operations;
mod report_page;
mod report_views;
mod session;
mod travel_assistant;
