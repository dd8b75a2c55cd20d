//! Undoes a content coding nobody asked for, within bounds.

use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use bytes::Bytes;
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use ruzstd::decoding::FrameDecoder;

use super::error::DialFault;
use super::settings::Caps;

/// Small bodies may inflate this far whatever the ratio says: headers and short repeats do.
const RATIO_FREE: u64 = 64 << 10;
/// Compressed bytes are fed in steps, so that the bound is noticed early.
const STEP: usize = 4 << 10;
/// What the low half of a zlib stream's first byte is; hardly a bare stream begins so.
const ZLIB: u8 = 8;
/// The most memory a zstd frame may ask for as its window.
const ZSTD_WINDOW: u64 = 8 << 20;
/// A zstd frame header is at most this long.
const ZSTD_HEADER: usize = 18;
/// The decoder takes a shorter piece of a frame's checksum for the whole of it.
const ZSTD_TAIL: usize = 4;

/// One body's decoder.
pub(crate) struct Decoder {
    coding: Coding,
    taken: u64,
    given: u64,
    caps: Caps,
}

enum Coding {
    Gzip(Box<MultiGzDecoder<Bounded>>),
    Deflate(Box<ZlibDecoder<Bounded>>),
    /// As many servers write it: without the head and the checksum that belong to it.
    Bare(Box<DeflateDecoder<Bounded>>),
    Brotli(Box<DecompressorWriter<Bounded>>),
    Zstd(Box<Zstd>),
}

struct Zstd {
    decoder: FrameDecoder,
    pending: Vec<u8>,
    out: Bounded,
}

/// Where decoders write: refuses bytes beyond its allowance.
#[derive(Default)]
struct Bounded {
    out: Vec<u8>,
    allowance: u64,
    exceeded: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.allowance {
            self.exceeded = true;
            return Err(io::Error::other("inflated beyond the cap"));
        }
        self.allowance -= bytes.len() as u64;
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Decoder {
    /// The decoder the headers call for; `None` when the body is as it seems.
    pub(crate) fn of(headers: &HeaderMap, caps: Caps) -> Result<Option<Self>, DialFault> {
        let mut codings = headers.get_all(CONTENT_ENCODING).iter();
        let Some(value) = codings.next() else {
            return Ok(None);
        };
        if codings.next().is_some() {
            return Err(DialFault::Encoding);
        }
        let name = value.to_str().map_err(|_| DialFault::Encoding)?.trim();
        let out = Bounded::default();
        let coding = match name.to_ascii_lowercase().as_str() {
            "" | "identity" => return Ok(None),
            "gzip" | "x-gzip" => Coding::Gzip(Box::new(MultiGzDecoder::new(out))),
            "deflate" => Coding::Deflate(Box::new(ZlibDecoder::new(out))),
            "br" => Coding::Brotli(Box::new(DecompressorWriter::new(out, STEP))),
            "zstd" => Coding::Zstd(Box::new(Zstd::new(out))),
            _ => return Err(DialFault::Encoding),
        };
        Ok(Some(Self { coding, taken: 0, given: 0, caps }))
    }

    /// Decodes what this piece completes.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<Bytes, DialFault> {
        if self.taken == 0 && matches!(self.coding, Coding::Deflate(_)) && piece.first().is_some_and(|first| first & 0x0f != ZLIB) {
            self.coding = Coding::Bare(Box::new(DeflateDecoder::new(Bounded::default())));
        }
        let mut whole = Vec::new();
        for step in piece.chunks(STEP) {
            self.taken += step.len() as u64;
            self.allow();
            let result = match &mut self.coding {
                Coding::Gzip(decoder) => decoder.write_all(step).and_then(|()| decoder.flush()),
                Coding::Deflate(decoder) => decoder.write_all(step).and_then(|()| decoder.flush()),
                Coding::Bare(decoder) => decoder.write_all(step).and_then(|()| decoder.flush()),
                Coding::Brotli(decoder) => decoder.write_all(step).and_then(|()| decoder.flush()),
                Coding::Zstd(zstd) => zstd.push(step),
            };
            self.collect(&mut whole, result)?;
        }
        Ok(whole.into())
    }

    /// Decodes what was held back; fails when the coding stops short.
    pub(crate) fn finish(&mut self) -> Result<Bytes, DialFault> {
        if self.taken == 0 {
            return Ok(Bytes::new());
        }
        let mut whole = Vec::new();
        self.allow();
        let result = match &mut self.coding {
            Coding::Gzip(decoder) => decoder.try_finish(),
            Coding::Deflate(decoder) => decoder.try_finish(),
            Coding::Bare(decoder) => decoder.try_finish(),
            Coding::Brotli(decoder) => decoder.close(),
            Coding::Zstd(zstd) => zstd.finish(),
        };
        self.collect(&mut whole, result)?;
        Ok(whole.into())
    }

    fn allow(&mut self) {
        let by_ratio = RATIO_FREE.max(self.taken.saturating_mul(u64::from(self.caps.ratio)));
        let limit = by_ratio.min(self.caps.body);
        self.sink().allowance = limit.saturating_sub(self.given);
    }

    fn collect(&mut self, whole: &mut Vec<u8>, result: io::Result<()>) -> Result<(), DialFault> {
        let sink = self.sink();
        let exceeded = sink.exceeded;
        let written = sink.out.len() as u64;
        whole.append(&mut sink.out);
        self.given += written;
        match result {
            Ok(()) => Ok(()),
            Err(_) if exceeded => Err(DialFault::TooLarge),
            Err(_) => Err(DialFault::Encoding),
        }
    }

    fn sink(&mut self) -> &mut Bounded {
        match &mut self.coding {
            Coding::Gzip(decoder) => decoder.get_mut(),
            Coding::Deflate(decoder) => decoder.get_mut(),
            Coding::Bare(decoder) => decoder.get_mut(),
            Coding::Brotli(decoder) => decoder.get_mut(),
            Coding::Zstd(zstd) => &mut zstd.out,
        }
    }
}

impl Zstd {
    fn new(out: Bounded) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(ZSTD_WINDOW);
        Self { decoder, pending: Vec::new(), out }
    }

    fn push(&mut self, step: &[u8]) -> io::Result<()> {
        self.pending.extend_from_slice(step);
        let started = self.decoder.bytes_read_from_source() > 0;
        if self.pending.len() < if started { ZSTD_TAIL } else { ZSTD_HEADER } {
            return Ok(());
        }
        self.decode(ZSTD_TAIL)
    }

    fn decode(&mut self, least: usize) -> io::Result<()> {
        let mut target = [0; STEP];
        loop {
            if self.pending.len() < least && self.decoder.can_collect() == 0 {
                return Ok(());
            }
            let (read, written) = self.decoder.decode_from_to(&self.pending, &mut target).map_err(io::Error::other)?;
            let read = read.min(self.pending.len());
            self.pending.drain(..read);
            self.out.write_all(&target[..written])?;
            if read == 0 && written == 0 {
                return Ok(());
            }
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.decode(0)?;
        if self.decoder.is_finished() && self.decoder.can_collect() == 0 && self.pending.is_empty() {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}
