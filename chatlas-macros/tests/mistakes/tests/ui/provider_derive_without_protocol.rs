use chatlas_macros::provider;

#[derive(Debug)]
struct Carrier;

#[provider(like = Carrier, name = "acme", base_url = "https://acme.example")]
struct Acme;

fn main() {}
