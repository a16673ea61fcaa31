use chatlas_core::Chat;
use chatlas_macros::tool;

/// Get the weather.
#[tool]
fn get_weather() -> u8 {
    1
}

fn tools(chat: Chat) -> [Chat; 3] {
    [
        chat.clone().with_tools(get_weather),
        chat.clone().with_tools(vec![get_weather]),
        chat.with_tools([get_weather]),
    ]
}

fn main() {
    let _ = tools;
}
