use chatlas_macros::tool;

struct User;

/// Logs a user in.
#[tool(fields(user.id = user, user.id = 1))]
fn log_in(user: String) -> bool {
    user.is_empty()
}

/// Logs a user out.
#[tool(fields(gen_ai.agent.name = user))]
fn log_out(user: String) -> bool {
    user.is_empty()
}

/// Deletes a user.
#[tool(fields(app.user = User))]
fn delete(user: String) -> bool {
    user.is_empty()
}

fn main() {}
