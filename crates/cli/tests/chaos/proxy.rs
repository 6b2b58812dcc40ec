//! A wire that can be cut: a TCP proxy that passes bytes on, late, in one direction only, in part, or not at all.
//!
//! What is held is not lost: it arrives once the fault is over, as after a partition of a network, unless whoever sent it
//! has given up the connection by then.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// What is wrong with the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Connections are reset, new ones too.
    Cut,
    /// Requests are held.
    HoldThere,
    /// Replies are held: what was asked is done, and nobody hears of it.
    HoldBack,
    /// Connections are accepted and nothing ever comes of them.
    HalfOpen,
    /// Everything comes late.
    Delay(Duration),
    /// Each reply is cut in the middle.
    Midway,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

impl Fault {
    fn holds(self, way: Way) -> bool {
        match self {
            Self::HalfOpen => true,
            Self::HoldThere => way == Way::There,
            Self::HoldBack => way == Way::Back,
            Self::None | Self::Cut | Self::Delay(_) | Self::Midway => false,
        }
    }
}

/// See the module. Ends with the value.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    fault: watch::Sender<Fault>,
    _runtime: Runtime,
}

impl Proxy {
    /// A sound wire to this address.
    pub(crate) fn to(target: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (fault, seen) = watch::channel(Fault::None);
        runtime.spawn(accept(listener, target, seen));
        Self { address, fault, _runtime: runtime }
    }

    /// Changes what is wrong with it.
    pub(crate) fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, fault: watch::Receiver<Fault>) {
    loop {
        let Ok((caller, _)) = listener.accept().await else { continue };
        if *fault.borrow() != Fault::Cut {
            tokio::spawn(connection(caller, target, fault.clone()));
        }
    }
}

async fn connection(caller: TcpStream, target: SocketAddr, mut fault: watch::Receiver<Fault>) {
    // While nothing gets through, nobody over there hears of the connection either.
    let passes = fault.wait_for(|fault| *fault == Fault::Cut || !fault.holds(Way::There)).await;
    if passes.map_or(Fault::Cut, |fault| *fault) == Fault::Cut {
        return;
    }
    let Ok(callee) = TcpStream::connect(target).await else { return };
    let _ = (caller.set_nodelay(true), callee.set_nodelay(true));
    let (from_caller, to_caller) = caller.into_split();
    let (from_callee, to_callee) = callee.into_split();
    let there = pass(from_caller, to_callee, Way::There, fault.clone());
    let back = pass(from_callee, to_caller, Way::Back, fault.clone());
    tokio::select! {
        _ = async { tokio::try_join!(there, back) } => {}
        _ = fault.wait_for(|fault| *fault == Fault::Cut) => {}
    }
}

/// Passes bytes on until their source ends.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    way: Way,
    mut fault: watch::Receiver<Fault>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut buffer).await?;
        let present = fault.wait_for(|fault| !fault.holds(way)).await.map_or(Fault::Cut, |fault| *fault);
        if let Fault::Delay(time) = present {
            tokio::time::sleep(time).await;
        }
        if read == 0 {
            return to.shutdown().await;
        }
        if present == Fault::Midway && way == Way::Back {
            to.write_all(&buffer[..read / 2]).await?;
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        to.write_all(&buffer[..read]).await?;
    }
}
