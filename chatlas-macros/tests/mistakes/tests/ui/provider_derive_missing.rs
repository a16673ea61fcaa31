use chatlas_macros::provider;

#[provider]
struct Groq;

#[provider(like = Missing, name = "Acme Inc", base_url = "acme.example")]
struct Acme;

fn main() {}
