//! What the relay reads into: large buffers, each shared by many chunks, which come back once those have been decoded.
//!
//! A chunk is handed on as it was read, never copied, and nothing is allocated for it.

use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::AsyncRead;

const BUFFER_BYTES: usize = 256 << 10;
/// The room that each read gets, and the most that it takes.
const READ_BYTES: usize = 64 << 10;
/// Free buffers that are kept: 16 MiB.
const KEPT: usize = 64;

/// The buffers of one tap.
#[derive(Default)]
pub(super) struct Buffers {
    free: Mutex<Vec<BytesMut>>,
}

impl Buffers {
    /// One read; no bytes where the stream has ended.
    pub(super) async fn read(&self, from: &mut (impl AsyncRead + Unpin)) -> io::Result<Bytes> {
        std::future::poll_fn(|context| {
            // Taken for this poll only: a connection that is quiet holds no buffer.
            let mut buffer = self.take();
            let mut room = (&mut buffer).limit(READ_BYTES);
            let read = tokio_util::io::poll_read_buf(Pin::new(&mut *from), context, &mut room);
            let chunk = buffer.split().freeze();
            self.keep(buffer);
            read.map_ok(|_| chunk)
        })
        .await
    }

    /// Takes back what was decoded; the last chunk of a buffer brings the buffer with it.
    pub(super) fn reuse(&self, chunk: Bytes) {
        if let Ok(mut buffer) = chunk.try_into_mut() {
            buffer.clear();
            if buffer.try_reclaim(BUFFER_BYTES) {
                self.keep(buffer);
            }
        }
    }

    fn take(&self) -> BytesMut {
        let free = self.lock().pop();
        free.unwrap_or_else(|| BytesMut::with_capacity(BUFFER_BYTES))
    }

    fn keep(&self, buffer: BytesMut) {
        let mut free = self.lock();
        if buffer.capacity() >= READ_BYTES && free.len() < KEPT {
            free.push(buffer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<BytesMut>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_buffer_comes_back_when_its_last_chunk_does() {
        let buffers = Buffers::default();
        let stream = vec![7; BUFFER_BYTES];
        let (mut rest, mut chunks) = (&stream[..], Vec::new());
        while let Some(chunk) = Some(buffers.read(&mut rest).await.unwrap()).filter(|chunk| !chunk.is_empty()) {
            chunks.push(chunk);
        }
        assert_eq!(chunks.concat(), stream);
        assert!(chunks.iter().all(|chunk| chunk.len() == READ_BYTES));
        let first = chunks[0].as_ptr();
        buffers.lock().clear();
        for chunk in chunks {
            assert!(buffers.lock().is_empty(), "not before the last");
            buffers.reuse(chunk);
        }
        let again = buffers.read(&mut &stream[..10]).await.unwrap();
        assert_eq!((again.as_ptr(), again.len()), (first, 10));
    }
}
