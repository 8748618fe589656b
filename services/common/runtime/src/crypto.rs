//! The one cryptography provider of the process.

/// Makes aws-lc-rs the provider of every TLS connection. Safe to call again; the first call decides.
pub fn install() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Losing the race against another thread leaves the same provider in place.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    }
}
