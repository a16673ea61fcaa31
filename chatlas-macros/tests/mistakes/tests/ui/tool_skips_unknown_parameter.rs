use chatlas_macros::{tool, toolbox};

/// Logs a user in.
#[tool(skip(pasword))]
fn log_in(user: String, password: String) -> bool {
    user == password
}

struct Accounts;

#[toolbox]
impl Accounts {
    /// Logs a user out.
    #[tool(skip(password, output))]
    fn log_out(&self, user: String) -> bool {
        user.is_empty()
    }
}

fn main() {}
