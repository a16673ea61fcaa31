//! The smallest program: its size and its crates are measured.

use chatlas::OpenAi;
use chatlas::prelude::*;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut chat = Chat::new(OpenAi::new("gpt-4o"));
    println!("{}", chat.chat("Hello").await?.text());
    Ok(())
}
