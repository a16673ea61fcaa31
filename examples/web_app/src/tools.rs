//! The tools of the model: a search for rooms in the database.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};

use chatlas::prelude::*;
use rusqlite::Connection;
use serde::Serialize;

/// The database: one connection, which queries use on the blocking pool.
pub(crate) type Database = Arc<Mutex<Connection>>;

const ROOMS: &str = "SELECT name, beds, price FROM rooms WHERE beds >= ?1 ORDER BY price";

/// A room, as it is sent to the model.
#[derive(Debug, Serialize)]
pub(crate) struct Room {
    name: String,
    beds: i64,
    price: i64,
}

/// Finds the rooms that have enough beds, the cheapest first.
#[tool(read_only)]
pub(crate) async fn find_rooms(
    /// The number of guests.
    guests: u8,
    #[state] database: &Database,
) -> Result<Vec<Room>, rusqlite::Error> {
    rooms(database, guests.into()).await
}

/// Runs the query in a span that follows OpenTelemetry's conventions for databases. Its parent is the
/// `execute_tool` span.
#[tracing::instrument(
    name = "SELECT rooms",
    skip_all,
    fields(
        otel.kind = "client",
        db.system.name = "sqlite",
        db.operation.name = "SELECT",
        db.collection.name = "rooms",
        db.query.text = ROOMS,
    )
)]
async fn rooms(database: &Database, beds: i64) -> Result<Vec<Room>, rusqlite::Error> {
    let database = Arc::clone(database);
    let query = move || {
        let database = database.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = database.prepare(ROOMS)?;
        let rooms = statement.query_map([beds], |row| {
            Ok(Room { name: row.get("name")?, beds: row.get("beds")?, price: row.get("price")? })
        })?;
        rooms.collect()
    };
    // The task fails only if it panics.
    tokio::task::spawn_blocking(query)
        .await
        .unwrap_or_else(|error| resume_unwind(error.into_panic()))
}

/// Creates a database in memory, with some rooms.
pub(crate) fn database() -> Result<Database, rusqlite::Error> {
    let database = Connection::open_in_memory()?;
    database.execute_batch(
        "CREATE TABLE rooms (name TEXT NOT NULL, beds INTEGER NOT NULL, price INTEGER NOT NULL);
        INSERT INTO rooms VALUES ('Attic', 1, 65), ('Garden', 2, 110), ('Harbour view', 2, 140),
            ('Family', 4, 190);",
    )?;
    Ok(Arc::new(Mutex::new(database)))
}
