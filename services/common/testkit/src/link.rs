//! A link between two processes that can be hurt: everything sent to its address passes through to a target.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use imagioo_runtime::Shutdown;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Bytes that pass at once.
const PIECE: usize = 8 * 1024;

/// What is wrong with a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Every piece is late by so much.
    Latency(Duration),
    /// So many bytes pass in a second.
    Bandwidth(u32),
    /// One in so many pieces is lost, and its connection with it.
    Loss(u32),
    /// The next piece of every connection is cut in the middle, and the connection with it.
    Cut,
    /// Half-open: everything is taken and nothing arrives. A connection that was so once stays so.
    Silence,
}

/// The link. It closes when it is dropped.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    fault: watch::Sender<Option<Fault>>,
    open: Arc<AtomicUsize>,
    shutdown: Shutdown,
}

impl Link {
    /// A whole link to a target. Must be called inside a tokio runtime.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn to(target: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("bound");
        let listener = TcpListener::from_std(listener).expect("a runtime");
        let link = Self {
            address,
            fault: watch::Sender::new(None),
            open: Arc::default(),
            shutdown: Shutdown::new(Duration::from_secs(60)),
        };
        let (fault, open, tasks) = (link.fault.subscribe(), Arc::clone(&link.open), link.shutdown.clone());
        link.shutdown.spawn("link", async move {
            while let Ok((near, _)) = listener.accept().await {
                let (fault, open) = (fault.clone(), Arc::clone(&open));
                tasks.spawn("connection", async move {
                    open.fetch_add(1, Ordering::Relaxed);
                    connect(near, target, fault).await;
                    open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        link
    }

    /// Where to connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Hurts the link, connections that are open included.
    pub fn hurt(&self, fault: Fault) {
        self.fault.send_replace(Some(fault));
    }

    /// From now on everything passes, but over connections that were silent.
    pub fn heal(&self) {
        self.fault.send_replace(None);
    }

    /// Connections that are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shutdown.force();
    }
}

/// Passes everything on until one side closes or the link breaks the connection; then both are closed.
async fn connect(near: TcpStream, target: SocketAddr, fault: watch::Receiver<Option<Fault>>) {
    let Ok(far) = TcpStream::connect(target).await else { return };
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    tokio::select! {
        () = pass(near_read, far_write, fault.clone()) => {}
        () = pass(far_read, near_write, fault) => {}
    }
}

/// Passes one direction on until it ends or breaks.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut fault: watch::Receiver<Option<Fault>>) {
    let mut piece = vec![0; PIECE];
    let (mut is_silent, mut pieces) = (false, 0_u32);
    loop {
        let length = tokio::select! {
            read = from.read(&mut piece) => match read {
                Ok(0) | Err(_) => return,
                Ok(length) => length,
            },
            changed = fault.changed() => {
                if changed.is_err() {
                    return;
                }
                is_silent |= *fault.borrow_and_update() == Some(Fault::Silence);
                continue;
            }
        };
        pieces = pieces.wrapping_add(1);
        let present = *fault.borrow_and_update();
        is_silent |= present == Some(Fault::Silence);
        let whole = &piece[..length];
        let passed = match present {
            _ if is_silent => Ok(()),
            Some(Fault::Cut) => {
                drop(to.write_all(&whole[..length / 2]).await);
                return;
            }
            Some(Fault::Loss(one_in)) if pieces.is_multiple_of(one_in.max(1)) => return,
            Some(Fault::Latency(delay)) => {
                tokio::time::sleep(delay).await;
                to.write_all(whole).await
            }
            Some(Fault::Bandwidth(rate)) => {
                tokio::time::sleep(Duration::from_secs_f64(length as f64 / f64::from(rate.max(1)))).await;
                to.write_all(whole).await
            }
            _ => to.write_all(whole).await,
        };
        if passed.is_err() {
            return;
        }
    }
}
