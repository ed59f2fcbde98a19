//! A site on TLS, whose certificate nobody vouches for but who is told to.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A TLS server. Its thread accepts connections until the tests end.
pub struct Tls {
    pub url: String,
    /// What vouches for it, as PEM.
    pub certificate: String,
}

impl Tls {
    /// A site that answers every request with this JSON text.
    pub fn start(body: &'static str) -> Tls {
        let own =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("a key");
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .expect("they belong together");
        let (config, listener) =
            (Arc::new(config), TcpListener::bind("127.0.0.1:0").expect("a port"));
        let url =
            format!("https://localhost:{}", listener.local_addr().expect("an address").port());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Whoever does not trust it leaves in the middle of it.
                let _ = answer(stream, config.clone(), body);
            }
        });
        Tls { url, certificate: own.cert.pem() }
    }
}

fn answer(stream: TcpStream, config: Arc<ServerConfig>, body: &str) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    let mut line = String::new();
    while stream.read_line(&mut line)? > 2 {
        line.clear();
    }
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let stream = stream.get_mut();
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()
}
