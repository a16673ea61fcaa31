/// Queries the database.
#[tool]
async fn query(
    #[state] db: &Db,
    #[state] cache: Cache,
    context: &ToolContext,
    #[default("all")] table: &str,
    #[default(LIMIT)] limit: u32,
) -> Vec<Row> {
    db.query(cache, context, table, limit).await
}
