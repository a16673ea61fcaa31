//! A program that installs ring as the default crypto provider, after it has used chatlas.

fn main() {
    shared::block_on(shared::use_chatlas("https"));
    let installed = rustls::crypto::ring::default_provider().install_default();
    installed.expect("no default is installed before");
    let _ = rustls::ClientConfig::builder();
    shared::block_on(shared::use_chatlas("https"));
}
