//! A program without TLS.

fn main() {
    shared::block_on(shared::use_chatlas("http"));
}
