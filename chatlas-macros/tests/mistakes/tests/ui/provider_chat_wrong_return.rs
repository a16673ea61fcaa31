use chatlas_core::{ChatRequest, Completion, CompletionStream, Provider, ProviderError};
use chatlas_macros::provider;

struct Text;

#[provider(name = "text")]
impl Provider for Text {
    async fn chat(&self, _: ChatRequest) -> Result<String, ProviderError> {
        Ok("Hi".to_owned())
    }
}

type Failable<T> = Result<T, std::io::Error>;

struct Foreign;

#[provider(name = "foreign")]
impl Provider for Foreign {
    async fn chat(&self, _: ChatRequest) -> Failable<Completion> {
        Ok(Completion::default())
    }
}

struct Nothing;

#[provider(name = "nothing")]
impl Provider for Nothing {
    async fn chat(&self, _: ChatRequest) {}
}

struct Stream;

#[provider(name = "stream")]
impl Provider for Stream {
    async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        Ok(Completion::default())
    }

    async fn chat_stream(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        Ok(Completion::default())
    }
}

fn main() {
    let _: Option<CompletionStream> = None;
}
