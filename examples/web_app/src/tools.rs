//! The tools of the model: a search for rooms in the database.

use chatlas::prelude::*;
use serde::Serialize;
use sqlx::{Row as _, SqlitePool};

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
    #[state] database: &SqlitePool,
) -> Result<Vec<Room>, sqlx::Error> {
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
async fn rooms(database: &SqlitePool, beds: i64) -> Result<Vec<Room>, sqlx::Error> {
    let rows = sqlx::query(ROOMS).bind(beds).fetch_all(database).await?;
    let room = |row: &sqlx::sqlite::SqliteRow| {
        Ok(Room {
            name: row.try_get("name")?,
            beds: row.try_get("beds")?,
            price: row.try_get("price")?,
        })
    };
    rows.iter().map(room).collect()
}

/// Creates a database in memory, with some rooms.
pub(crate) async fn database() -> Result<SqlitePool, sqlx::Error> {
    // Each connection to an in-memory database has separate data: use only one.
    let database = sqlx::pool::PoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect("sqlite::memory:")
        .await?;
    let rooms =
        "CREATE TABLE rooms (name TEXT NOT NULL, beds INTEGER NOT NULL, price INTEGER NOT NULL);
        INSERT INTO rooms VALUES ('Attic', 1, 65), ('Garden', 2, 110), ('Harbour view', 2, 140),
            ('Family', 4, 190);";
    sqlx::raw_sql(rooms).execute(&database).await?;
    Ok(database)
}
