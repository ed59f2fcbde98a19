//! Content codings: detects how a body is packed, and unpacks it.
//!
//! The HTTP library's own decoding silently stops after the first member of a gzip body, and
//! supports neither raw deflate nor `x-gzip` nor nested codings. A page that is read in part looks
//! like a whole one, so bodies are unpacked here, under the limit on their decoded size.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};
use reqwest::header::{CONTENT_ENCODING, HeaderMap, TRANSFER_ENCODING};

use super::FetchError;
use crate::model::text::plain;

/// Value of `Accept-Encoding`: the supported codings, best first.
pub const ACCEPTED: &str = "zstd, gzip, deflate, br";
/// Maximum number of nested codings. More would only serve to waste CPU time.
const MOST: usize = 4;
/// Size of a decoder's buffer, in bytes.
const BUFFER: usize = 8 << 10;

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952, with one or more members.
    Gzip,
    /// RFC 1950, or raw RFC 1951 as some servers send it.
    Deflate,
    /// RFC 7932.
    Brotli,
    /// RFC 8878, with one or more frames.
    Zstd,
}

/// Returns the codings of a body, in the order in which to remove them.
///
/// # Errors
/// Returns an error if one of them is unknown, or there are too many.
pub fn of(headers: &HeaderMap) -> Result<Vec<Coding>, FetchError> {
    let mut codings = Vec::new();
    for name in [CONTENT_ENCODING, TRANSFER_ENCODING] {
        for value in headers.get_all(name) {
            let value = String::from_utf8_lossy(value.as_bytes());
            for label in value.split(',') {
                codings.extend(named(label.trim())?);
            }
        }
    }
    if codings.len() > MOST {
        return Err(FetchError::Body(format!("it is encoded more than {MOST} times over")));
    }
    codings.reverse();
    Ok(codings)
}

/// Returns the coding with this name, or `None` if the name means no coding. Some servers write a
/// charset or MIME's name for plain bytes here, which browsers ignore; object stores keep how an
/// object was uploaded (`aws-chunked`).
fn named(label: &str) -> Result<Option<Coding>, FetchError> {
    Ok(match label.to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => Some(Coding::Gzip),
        "deflate" => Some(Coding::Deflate),
        "br" => Some(Coding::Brotli),
        "zstd" => Some(Coding::Zstd),
        "" | "identity" | "none" | "chunked" | "utf-8" | "utf8" | "binary" | "8bit"
        | "aws-chunked" => None,
        _ => {
            let label = plain(label);
            return Err(FetchError::Body(format!(
                "it is encoded as {label}, which was not requested"
            )));
        }
    })
}

/// Unpacks a body. Returns `most + 1` bytes if it unpacks to more than `most`.
///
/// # Errors
/// Returns an error if the body is damaged or cut short, unless the limit is reached before that.
pub fn unpacked(body: Bytes, codings: &[Coding], most: usize) -> Result<Bytes, FetchError> {
    // Some servers send an empty body with a coding in the header.
    if body.is_empty() {
        return Ok(body);
    }
    codings.iter().try_fold(body, |body, coding| {
        let decoded = decode(*coding, &body, most.saturating_add(1));
        decoded.map(Bytes::from).map_err(|error| FetchError::Body(error.to_string()))
    })
}

/// Unpacks a body that is itself a file packed with gzip, as `dump.json.gz`. Returns `None` if it is
/// none, is damaged, or unpacks to more than `most` bytes.
pub fn unpacked_file(body: &Bytes, most: usize) -> Option<Bytes> {
    if !body.starts_with(&[0x1f, 0x8b]) {
        return None;
    }
    let unpacked = members(body, most.saturating_add(1)).ok()?;
    (unpacked.len() <= most).then(|| unpacked.into())
}

/// Decodes at most `most` bytes of `body`.
fn decode(coding: Coding, body: &[u8], most: usize) -> io::Result<Vec<u8>> {
    match coding {
        Coding::Gzip => members(body, most),
        Coding::Deflate if has_zlib_header(body) => read(ZlibDecoder::new(body), most),
        Coding::Deflate => read(DeflateDecoder::new(body), most),
        Coding::Brotli => read(brotli_decompressor::Decompressor::new(body, BUFFER), most),
        Coding::Zstd => read(zstd::stream::read::Decoder::with_buffer(body)?, most),
    }
}

/// Decodes all members of a gzip body. Data after the last member is ignored, as in browsers: all
/// members were complete and their checksums matched.
fn members(mut body: &[u8], most: usize) -> io::Result<Vec<u8>> {
    let mut decoded = Vec::new();
    loop {
        let mut member = GzDecoder::new(body);
        read_into(&mut decoded, &mut member, most)?;
        body = member.into_inner();
        let is_member = matches!(body, [0x1f] | [0x1f, 0x8b, ..]);
        if decoded.len() >= most || !is_member {
            return Ok(decoded);
        }
    }
}

fn read(mut decoder: impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut decoded = Vec::new();
    read_into(&mut decoded, &mut decoder, most)?;
    Ok(decoded)
}

fn read_into(decoded: &mut Vec<u8>, decoder: &mut impl Read, most: usize) -> io::Result<()> {
    let left = most.saturating_sub(decoded.len());
    decoder.take(left as u64).read_to_end(decoded).map(drop)
}

/// Returns `true` if the first bytes are a zlib header (RFC 1950, 2.2). Otherwise it is raw
/// deflate.
fn has_zlib_header(body: &[u8]) -> bool {
    match body {
        [method, flags, ..] => {
            method & 0x0f == 8
                && method >> 4 <= 7
                && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
