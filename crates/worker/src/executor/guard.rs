//! Which addresses an `http` task may call (server-side request forgery).
//!
//! A name is resolved once, every address of the answer is checked, and only a checked one is connected to, so a name
//! cannot change its meaning between check and use. Inside addresses are those of the special-purpose registries of
//! RFC 6890 and its updates.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::config::HttpConfig;

/// The rule of one worker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard {
    hosts: Vec<String>,
    networks: Vec<Network>,
    loopback: bool,
}

#[derive(Clone, Copy, Debug)]
struct Network {
    bits: u128,
    length: u32,
}

/// A refusal; `Display` says which host and address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{host}` is at the inside address {address}, which this worker may not call; `network.allow` can open it")]
pub(crate) struct Forbidden {
    pub(crate) host: String,
    pub(crate) address: IpAddr,
}

impl Guard {
    /// # Errors
    /// An entry that looks like a network and is none.
    pub(crate) fn new(config: &HttpConfig) -> Result<Self, String> {
        let mut guard = Self { loopback: config.allow_loopback, ..Self::default() };
        for entry in &config.allow {
            if entry.contains('/') || entry.parse::<IpAddr>().is_ok() {
                let network = Network::parse(entry).ok_or_else(|| format!("`{entry}` is not a network"))?;
                guard.networks.push(network);
            } else {
                guard.hosts.push(entry.trim_end_matches('.').to_ascii_lowercase());
            }
        }
        Ok(guard)
    }

    /// Checks all addresses of a host. One inside address among them spoils the host.
    pub(crate) fn check(&self, host: &str, addresses: &[IpAddr]) -> Result<(), Forbidden> {
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        if self.hosts.contains(&name) {
            return Ok(());
        }
        match addresses.iter().find(|address| !self.allows(**address)) {
            Some(address) => Err(Forbidden { host: host.to_owned(), address: *address }),
            None => Ok(()),
        }
    }

    fn allows(&self, address: IpAddr) -> bool {
        let plain = plain(address);
        self.networks.iter().any(|network| network.contains(plain))
            || (self.loopback && plain.is_loopback())
            || !is_inside(plain)
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let (whole, offset) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let length = length.unwrap_or(whole);
        (length <= whole).then(|| Self { bits: bits(plain(address)), length: length + offset })
    }

    fn contains(self, address: IpAddr) -> bool {
        let mask = u128::MAX.checked_shl(128 - self.length).unwrap_or(0);
        self.bits & mask == bits(address) & mask
    }
}

/// IPv4 addresses stand where IPv6 maps them.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The IPv4 address inside an IPv6 one that only carries it: mapped, compatible, NAT64, 6to4.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let segments = v6.segments();
    let embedded = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if v6 != Ipv6Addr::LOCALHOST && v6 != Ipv6Addr::UNSPECIFIED => {
            embedded(high, low)
        }
        [0x2002, high, low, ..] => embedded(high, low),
        _ => address,
    }
}

fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_multicast()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && (c == 0 || c == 2))
                || (a == 198 && (b == 18 || b == 19 || (b == 51 && c == 100)))
                || (a == 203 && b == 0 && c == 113)
                // A cloud's metadata outside link-local (Alibaba, 100.100.100.200) is in 100.64/10; Azure's wire server:
                || v4 == Ipv4Addr::new(168, 63, 129, 16)
        }
        IpAddr::V6(v6) => {
            let segments = v6.segments();
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || segments[0] & 0xfe00 == 0xfc00
                || segments[0] & 0xffc0 == 0xfe80
                || segments[0] & 0xffc0 == 0xfec0
                || (segments[0] == 0x2001 && (segments[1] < 0x200 || segments[1] == 0xdb8))
                || (segments[0] == 0x64 && segments[1] == 0xff9b)
                || (segments[0] == 0x100 && segments[1..4] == [0, 0, 0])
        }
    }
}

/// Resolves names for the client and lets only checked addresses through.
impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let addresses: Vec<IpAddr> = found.iter().map(SocketAddr::ip).collect();
            if addresses.is_empty() {
                return Err(io::Error::new(io::ErrorKind::NotFound, format!("`{host}` has no address")).into());
            }
            guard.check(&host, &addresses)?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(allow: &[&str], allow_loopback: bool) -> Guard {
        let allow = allow.iter().map(|entry| (*entry).to_owned()).collect();
        Guard::new(&HttpConfig { allow, allow_loopback }).expect("valid entries")
    }

    fn allows(guard: &Guard, address: &str) -> bool {
        guard.check("host", &[address.parse().expect("an address")]).is_ok()
    }

    #[test]
    fn inside_addresses_are_refused_in_every_dress() {
        let guard = guard(&[], false);
        for address in [
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "100::1",
        ] {
            assert!(!allows(&guard, address), "{address}");
        }
    }

    #[test]
    fn outside_addresses_are_open() {
        let guard = guard(&[], false);
        for address in [
            "1.1.1.1",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00::1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::",
        ] {
            assert!(allows(&guard, address), "{address}");
        }
    }

    #[test]
    fn one_inside_address_spoils_the_host() {
        let addresses = ["1.1.1.1", "10.0.0.1"].map(|address| address.parse().expect("an address"));
        let refused = guard(&[], false).check("both.example", &addresses);
        assert_eq!(refused, Err(Forbidden { host: "both.example".to_owned(), address: addresses[1] }));
    }

    #[test]
    fn allowed_names_networks_and_loopback_are_open_and_nothing_else() {
        let open = guard(&["Intranet.Example", "10.1.0.0/16", "192.168.7.7", "fd00::/8"], false);
        for address in ["10.1.2.3", "::ffff:10.1.2.3", "192.168.7.7", "fd12::1"] {
            assert!(allows(&open, address), "{address}");
        }
        for address in ["10.2.0.1", "192.168.7.8", "fc00::1", "127.0.0.1"] {
            assert!(!allows(&open, address), "{address}");
        }
        assert!(open.check("intranet.example.", &["10.9.9.9".parse().expect("an address")]).is_ok());
        let dev = guard(&[], true);
        assert!(allows(&dev, "127.0.0.1") && allows(&dev, "::1") && allows(&dev, "::ffff:127.0.0.1"));
        assert!(!allows(&dev, "10.0.0.1") && !allows(&dev, "0.0.0.0"));
        assert!(Guard::new(&HttpConfig { allow: vec!["10.0.0.0/33".to_owned()], allow_loopback: false }).is_err());
    }
}
