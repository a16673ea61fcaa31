use chatlas_macros::agent;

struct Tenant;

#[agent(fields(app.tenant = tenant))]
async fn research(prompt: &str, tenant: &Tenant) -> String {
    let _ = tenant;
    prompt.to_owned()
}

fn main() {}
