//! The gateway's listener, which can be closed before the gateway ends.

use std::io;
use std::net::SocketAddr;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::{Phase, reached};

/// A listener that takes no more connections once the end has begun.
pub(crate) struct Door {
    listener: Option<TcpListener>,
    address: SocketAddr,
    phase: watch::Receiver<Phase>,
}

/// The address of a client.
#[derive(Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Door {
    pub(crate) fn new(listener: TcpListener, phase: watch::Receiver<Phase>) -> io::Result<Self> {
        Ok(Self {
            address: listener.local_addr()?,
            listener: Some(listener),
            phase,
        })
    }
}

impl Listener for Door {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        if let Some(listener) = &mut self.listener {
            tokio::select! {
                // Whoever has connected before the end began is served: the system has told them so.
                biased;
                accepted = Listener::accept(listener) => return accepted,
                () = reached(self.phase.clone(), Phase::Draining) => {}
            }
            self.listener = None;
        }
        std::future::pending().await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        Self(*stream.remote_addr())
    }
}
