//! A program that chooses ring: chatlas uses it without a process-wide default, and leaves the
//! choice of a default to the program.

fn main() {
    shared::block_on(shared::use_chatlas("https"));
    let installed = rustls::crypto::ring::default_provider().install_default();
    installed.expect("no default is installed before");
    shared::block_on(shared::use_chatlas("https"));
}
