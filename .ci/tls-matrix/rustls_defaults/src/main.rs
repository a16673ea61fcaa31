//! A program that uses rustls with its default features and installs nothing.

fn main() {
    let _ = rustls::ClientConfig::builder();
    shared::block_on(shared::use_chatlas("https"));
    let _ = rustls::ClientConfig::builder();
}
