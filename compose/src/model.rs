//! What Compose made of a project's files, as far as it is needed here.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::Deserialize;
use serde_json::Value;

/// The resolved model: the answer of `docker compose config`.
#[derive(Debug, Deserialize)]
pub(crate) struct Model {
    /// Of Compose 1.29, whose further files must have the same.
    pub(crate) version: Option<String>,
    pub(crate) services: BTreeMap<String, Service>,
    #[serde(default)]
    pub(crate) networks: BTreeMap<String, Option<Resource>>,
    #[serde(default)]
    pub(crate) volumes: BTreeMap<String, Option<Resource>>,
}

/// One service.
#[derive(Debug, Deserialize)]
pub(crate) struct Service {
    build: Option<Value>,
    pub(crate) image: Option<String>,
    #[serde(default)]
    ports: Vec<Value>,
}

/// A network or volume.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Resource {
    #[serde(default)]
    external: Value,
    name: Option<String>,
}

impl Resource {
    /// Whether it belongs to somebody else, who creates and removes it.
    pub(crate) fn is_external(&self) -> bool {
        !matches!(self.external, Value::Null | Value::Bool(false))
    }
}

impl Model {
    /// Reads JSON, or the YAML of Compose 1.29.
    pub(crate) fn parse(text: &str) -> Result<Model, String> {
        let json = text.trim_start().starts_with('{');
        let parsed = if json {
            serde_json::from_str(text).map_err(|error| error.to_string())
        } else {
            serde_saphyr::from_str(text).map_err(|error| error.to_string())
        };
        parsed.map_err(|error| format!("what Compose says of it is not understood: {error}"))
    }

    /// The services whose images are built, and the images that the files name.
    pub(crate) fn built(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let built = self.services.iter().filter(|(_, service)| service.build.is_some());
        built.map(|(name, service)| (name.as_str(), service.image.as_deref()))
    }

    /// A volume that would be removed although its name is not the project's own: it may be somebody else's.
    pub(crate) fn named_volume(&self, id: &str) -> Option<(String, String)> {
        let mut ours = self.volumes.iter().filter_map(|(key, volume)| Some((key, volume.as_ref()?)));
        ours.find_map(|(key, volume)| {
            let name = volume.name.as_deref().filter(|name| !volume.is_external() && !name.starts_with(id))?;
            Some((key.clone(), name.to_owned()))
        })
    }

    /// The services whose images must be there, and the images; one that another service builds need not.
    pub(crate) fn pulled(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_built = |image: &str| {
            self.services.values().any(|service| service.build.is_some() && service.image.as_deref() == Some(image))
        };
        let pulled = self.services.iter().filter(|(_, service)| service.build.is_none());
        let pulled = pulled.filter_map(|(name, service)| Some((name.as_str(), service.image.as_deref()?)));
        pulled.filter(move |(_, image)| !is_built(image))
    }

    /// The addresses of this machine that will be listened on, over TCP.
    pub(crate) fn listens(&self) -> impl Iterator<Item = SocketAddr> {
        self.services.values().flat_map(|service| &service.ports).filter_map(address)
    }
}

/// An address from `{"host_ip": "127.0.0.1", "published": "3000", ..}`, or `127.0.0.1:3000:80/tcp`. Ranges and ports
/// that the engine chooses are none.
fn address(port: &Value) -> Option<SocketAddr> {
    let (ip, published) = match port {
        Value::Object(port) => {
            if port.get("protocol").and_then(Value::as_str).is_some_and(|protocol| protocol != "tcp") {
                return None;
            }
            let published = match port.get("published")? {
                Value::Number(number) => number.to_string(),
                published => published.as_str()?.to_owned(),
            };
            (port.get("host_ip").and_then(Value::as_str).map(str::to_owned), published)
        }
        Value::String(port) => {
            let host = port.strip_suffix("/tcp").or_else(|| (!port.contains('/')).then_some(port))?;
            let (host, _container) = host.rsplit_once(':')?;
            match host.rsplit_once(':') {
                Some((ip, published)) => (Some(ip.trim_matches(['[', ']']).to_owned()), published.to_owned()),
                None => (None, host.to_owned()),
            }
        }
        _ => return None,
    };
    let ip = ip.filter(|ip| !ip.is_empty()).map_or(Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), |ip| ip.parse());
    let port = published.parse().ok().filter(|port| *port != 0)?;
    Some(SocketAddr::new(ip.ok()?, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_of_version_two_is_read() {
        let model = Model::parse(
            r#"{"name":"x","services":{"web":{"build":{"context":"."},"ports":[
                {"host_ip":"127.0.0.1","target":80,"published":"18080","protocol":"tcp"},{"target":53,"published":"53","protocol":"udp"},
                {"target":81},{"target":82,"published":"7000-7002","protocol":"tcp"}]},"db":{"image":"db:1"},"own":{"image":"own:1","build":"."},"too":{"image":"own:1"}},
                "networks":{"default":{"name":"x_default"},"theirs":{"external":true}},"volumes":{"data":null}}"#,
        );
        let model = model.expect("it is right");
        assert_eq!(model.built().collect::<Vec<_>>(), [("own", Some("own:1")), ("web", None)]);
        assert_eq!(model.pulled().collect::<Vec<_>>(), [("db", "db:1")]);
        assert_eq!(model.listens().map(|at| at.to_string()).collect::<Vec<_>>(), ["127.0.0.1:18080"]);
        assert!(model.networks["theirs"].as_ref().is_some_and(Resource::is_external));
        assert!(!model.networks["default"].as_ref().is_some_and(Resource::is_external));
    }

    #[test]
    fn yaml_of_version_one_is_read() {
        let model = Model::parse(
            "services:\n  web:\n    image: a:b\n    ports:\n    - 127.0.0.1:18080:80/tcp\n    - 8081:81\n    - '82'\n    - published: 9000\n      target: 90\n\
             version: '3.9'\nvolumes:\n  data: {}\n",
        );
        let model = model.expect("it is right");
        let listens: Vec<_> = model.listens().map(|at| at.to_string()).collect();
        assert_eq!(listens, ["127.0.0.1:18080", "0.0.0.0:8081", "0.0.0.0:9000"]);
        assert_eq!(model.version.as_deref(), Some("3.9"));
    }

    #[test]
    fn a_volume_with_a_name_of_its_own_is_told() {
        let of = |volumes: &str| Model::parse(&format!("{{\"services\":{{}},\"volumes\":{{{volumes}}}}}")).unwrap();
        let shared = of(r#""data":{"name":"shop-data"}"#).named_volume("tapedeck-x");
        assert_eq!(shared, Some(("data".to_owned(), "shop-data".to_owned())));
        assert_eq!(of(r#""data":{"name":"tapedeck-x_data"},"plain":null"#).named_volume("tapedeck-x"), None);
        assert_eq!(of(r#""data":{"name":"shop-data","external":true}"#).named_volume("tapedeck-x"), None);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Model::parse("services: [").is_err() && Model::parse("{}").is_err());
    }
}
