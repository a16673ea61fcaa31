use chatlas_macros::provider;

#[provider(nam = "groq", base_url = 3, api_key_env = "GROQ KEY", default_model = " ", tools = WebSearch, like)]
struct Groq {
    key: String,
}

#[provider(name = "acme", base_url = "https://acme.example", name = "acme")]
struct Acme<T>;

fn main() {}
