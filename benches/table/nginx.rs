//! nginx with one process and `sendfile on`, serving a folder: what a user would pick to read files over HTTP.

use crate::Result;
use crate::process::Process;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const START_WAIT: Duration = Duration::from_secs(10);

/// A running nginx, killed when it is let go of.
#[derive(Debug)]
pub(crate) struct Nginx {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Nginx {
    /// Starts one that serves `root`; `None` where it is not installed.
    pub(crate) fn start(root: &Path, home: &Path) -> Result<Option<Nginx>> {
        // Whoever takes the port meanwhile makes the start fail: then it is said.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        fs::create_dir_all(home)?;
        let config = home.join("nginx.conf");
        fs::write(&config, configuration(port, root, home))?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(home).arg("-e").arg(home.join("error.log")).arg("-c").arg(&config);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = match child {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let mut nginx = Nginx { child, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)) };
        nginx.wait()?;
        Ok(Some(nginx))
    }

    pub(crate) fn process(&self) -> Process {
        Process::new(self.child.id())
    }

    fn wait(&mut self) -> Result<()> {
        let since = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if self.child.try_wait()?.is_some() || since.elapsed() > START_WAIT {
                return Err("nginx does not start".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One process, no log, `sendfile on`, files kept open, connections kept alive for ever.
fn configuration(port: u16, root: &Path, home: &Path) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {};", home.join(name).display()))
        .join(" ");
    format!(
        "daemon off; master_process off; pid {home}/nginx.pid; error_log {home}/error.log;
         events {{ worker_connections 4096; }}
         http {{
             access_log off; sendfile on; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 1h;
             open_file_cache max=100; open_file_cache_valid 1h; {temporary}
             server {{ listen 127.0.0.1:{port}; root {root}; default_type application/octet-stream; }}
         }}",
        home = home.display(),
        root = root.display(),
    )
}
