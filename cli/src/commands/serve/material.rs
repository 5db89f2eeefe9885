//! Making TLS material: a request for the site's own PKI, a private authority, and what follows from it later.

use std::path::Path;

use anyhow::Context as _;
use midmirror_mirror::serve::{
    CertificateLifetimes, ServerNames, init_tls_for, names_of, renew_server, revoke, revoked_in,
    signing_request,
};
use midmirror_mirror::store::durable::{self, FileMode};

use super::files::{CA, CA_KEY, CERTIFICATE, CRL, KEY, REQUEST, private_ca_file, read, tls_folder};
use crate::arguments::ServeArguments;
use crate::config::Config;
use crate::context;
use crate::exit::Exit;
use crate::failure::coded;
use crate::output;

/// `serve --init-tls --csr`.
pub(super) fn request(config: &Config, hosts: &[String]) -> anyhow::Result<Exit> {
    let folder = tls_folder(config);
    let (request, key) = signing_request(hosts)?;
    new_folder(&folder, &[(KEY, key.as_bytes())], &[(REQUEST, &request)])?;
    output::data(format!("request       {}", folder.join(REQUEST).display()));
    output::data(format!("key           {} (stays here)", folder.join(KEY).display()));
    output::data(format!("for           {}", hosts.join(", ")));
    output::note(
        "next: have your PKI sign the request as a TLS server certificate (serverAuth) for these names",
    );
    output::note(format!(
        "put the certificate, followed by its intermediates, as PEM into {}",
        folder.join(CERTIFICATE).display()
    ));
    output::note(format!(
        "and the root, if MID hosts do not know it yet, into {} (it goes into trust files)",
        folder.join(CA).display()
    ));
    output::note("hosts that know the root already need nothing else; others: the keytool line of the guide");
    agents(None);
    output::note(
        "to renew: have the same request signed again, and replace the certificate; no restart is needed",
    );
    Ok(Exit::Done)
}

/// `serve --init-tls`.
pub(super) fn init(config: &Config, arguments: &ServeArguments) -> anyhow::Result<Exit> {
    let hosts = &arguments.hosts;
    output::note("has this site a PKI of its own? then rather, in place of what follows:");
    output::note(format!("  midmirror serve --init-tls --csr --host {}", hosts.join(" --host ")));
    let folder = tls_folder(config);
    let lifetimes = CertificateLifetimes::default();
    let server = ServerNames { names: hosts.clone(), crl_url: crl_url(config, arguments, hosts)? };
    let set = init_tls_for(&server, context::now(), &lifetimes)?;
    let keys: [(&str, &[u8]); 2] =
        [(CA_KEY, set.ca_key_pem.as_bytes()), (KEY, set.server_key_pem.as_bytes())];
    // Certificates are for everybody; keys stay readable by their owner only.
    let shared = [(CERTIFICATE, &set.server_cert_pem), (CA, &set.ca_pem), (CRL, &set.crls_pem)];
    new_folder(&folder, &keys, &shared)?;
    output::data(format!("ca            {} (10 years)", private_ca_file(config).display()));
    output::data(format!("certificate   {} (397 days)", folder.join(CERTIFICATE).display()));
    output::data(format!("for           {}", hosts.join(", ")));
    if let Some(url) = &server.crl_url {
        output::data(format!("crl           {url} (a new one every week, until the certificate ends)"));
    }
    output::note(format!(
        "move {} off this server: it can make certificates for these names, and no others",
        folder.join(CA_KEY).display()
    ));
    output::note(
        "it is needed again to renew: midmirror serve --renew-tls --ca-key FILE (warnings come 30 days ahead)",
    );
    output::note("on each MID host (stop the MID Server first; back up cacerts):");
    output::note(
        "  agent/jre/bin/keytool -importcert -noprompt -alias midmirror -file ca.pem -keystore agent/jre/lib/security/cacerts",
    );
    agents(Some(server.crl_url.as_deref()));
    Ok(Exit::Done)
}

/// What is to be done on the instance; for a private authority it is said whether it has a revocation list.
fn agents(private_list: Option<Option<&str>>) {
    output::note(
        "on the instance: set mid.install_server.base_uri to this mirror's https address (KB1546609),",
    );
    output::note(match private_list {
        None => {
            "and a MID Server certificate check policy for its host; revocation as your PKI's OCSP or CRL can be reached"
        }
        Some(None) => {
            "and a MID Server certificate check policy for its host without revocation check (this CA has no OCSP, and no CRL \
             address: see serve.plain_listen)"
        }
        Some(Some(_)) => {
            "and a MID Server certificate check policy for its host; this CA has a CRL and no OCSP: where the check wants \
             OCSP, switch revocation off for this host"
        }
    });
}

/// `serve --renew-tls`.
pub(super) fn renew(config: &Config, arguments: &ServeArguments) -> anyhow::Result<Exit> {
    let folder = tls_folder(config);
    let ca_key = arguments.ca_key.clone().unwrap_or_else(|| folder.join(CA_KEY));
    if !ca_key.exists() {
        return Err(coded(
            Exit::Usage,
            format!("{} is not there: the private CA's key is needed to renew", ca_key.display()),
            "bring it for the moment and name it with --ca-key. A certificate of your own PKI is renewed there, not here",
        ));
    }
    let text = |bytes: Vec<u8>, file: &Path| {
        String::from_utf8(bytes).with_context(|| format!("{} is no PEM", file.display()))
    };
    let ca_file = private_ca_file(config);
    let (ca, ca_key_pem) = (text(read(&ca_file)?, &ca_file)?, text(read(&ca_key)?, &ca_key)?);
    let old_file = folder.join(CERTIFICATE);
    let old = read(&old_file)?;
    let using = || format!("failed to renew {}", old_file.display());
    let names = if arguments.hosts.is_empty() {
        names_of(&old).with_context(using)?
    } else {
        arguments.hosts.clone()
    };
    let now = context::now();
    let lists = folder.join(CRL);
    let mut revoked = if lists.exists() {
        revoked_in(&read(&lists)?).with_context(|| format!("failed to read {}", lists.display()))?
    } else {
        Vec::new()
    };
    if arguments.revoke {
        let new = revoke(&old, now).with_context(using)?;
        if !revoked.iter().any(|known| known.serial == new.serial) {
            revoked.push(new);
        }
    }
    let server = ServerNames { crl_url: crl_url(config, arguments, &names)?, names };
    let lifetimes = CertificateLifetimes::default();
    let renewed = renew_server(&ca, &ca_key_pem, &server, &revoked, now, &lifetimes).with_context(using)?;
    // The lists first: when the new certificate is in use, the old one is named. The certificate last: with an
    // old one a new key is refused, and this can be done again.
    replace(&lists, renewed.crls_pem.as_bytes(), FileMode::Shared)?;
    replace(&folder.join(KEY), renewed.server_key_pem.as_bytes(), FileMode::Secret)?;
    replace(&old_file, renewed.server_cert_pem.as_bytes(), FileMode::Shared)?;
    output::data(format!("certificate   {} (397 days, or until its CA ends)", old_file.display()));
    output::data(format!("for           {}", server.names.join(", ")));
    if let Some(url) = &server.crl_url {
        output::data(format!("crl           {url} ({} revoked)", revoked.len()));
    }
    output::note("a server that runs takes it up within seconds; hosts need nothing new");
    output::note(format!("take {} away again", ca_key.display()));
    if arguments.revoke {
        output::note(
            "the list tells hosts that check revocation; the others accept the old certificate until it ends. If the server itself \
             was broken into, or hosts do not check: make a new CA (move the folder away, --init-tls) and give it to the hosts",
        );
    }
    Ok(Exit::Done)
}

/// The address in the certificate: as told, or of the plain listener.
fn crl_url(config: &Config, arguments: &ServeArguments, hosts: &[String]) -> anyhow::Result<Option<String>> {
    if let Some(url) = &arguments.crl_url {
        let parsed = url::Url::parse(url).ok().filter(|url| url.scheme() == "http" && url.has_host());
        let Some(parsed) = parsed else {
            return Err(coded(
                Exit::Usage,
                format!("--crl-url {url:?} is not an http:// address"),
                "revocation lists are fetched without TLS; they are signed",
            ));
        };
        return Ok(Some(parsed.into()));
    }
    let Some(plain) = &config.serve.plain_listen else { return Ok(None) };
    let port = super::address(plain, "serve.plain_listen")?.port();
    let Some(host) = hosts.first() else { return Ok(None) };
    let host = if host.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.clone() };
    Ok(Some(format!("http://{host}:{port}/tls/ca.crl")))
}

fn new_folder(folder: &Path, keys: &[(&str, &[u8])], shared: &[(&str, &String)]) -> anyhow::Result<()> {
    match durable::new_folder(folder, keys, FileMode::Secret) {
        Err(error) if error.is_already_there() => {
            return Err(coded(
                Exit::Usage,
                format!("{} is there already; TLS material is only made for a new folder", folder.display()),
                "--renew-tls renews the certificate; to start over move the folder away: agents and hosts must then trust \
                 the new authority",
            ));
        }
        made => made?,
    }
    for (name, pem) in shared {
        durable::write_new(&folder.join(name), pem.as_bytes(), FileMode::Shared)?;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).with_context(|| {
            format!("failed to open {} for readers of its certificates", folder.display())
        })?;
    }
    Ok(())
}

/// Replaces a file and keeps its owner: root renews, and the server's user reads.
fn replace(file: &Path, bytes: &[u8], mode: FileMode) -> anyhow::Result<()> {
    #[cfg(unix)]
    let owner = {
        use std::os::unix::fs::MetadataExt as _;
        let there = std::fs::metadata(file).or_else(|_| std::fs::metadata(file.parent().unwrap_or(file)));
        there.map(|metadata| (metadata.uid(), metadata.gid()))
    };
    durable::replace(file, bytes, mode)?;
    #[cfg(unix)]
    if let Ok((user, group)) = owner {
        std::os::unix::fs::chown(file, Some(user), Some(group))
            .with_context(|| format!("failed to give {} back to its owner", file.display()))?;
    }
    Ok(())
}
