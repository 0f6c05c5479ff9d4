//! What `--help` prints.

/// All programs.
pub const ALL: &str = "\
sclients-bench: client programs for stress-testing servers

usage: sclients-bench PROGRAM [options] [URL]

  http-processing   one process; connections that GET and connections that POST
  saturate          one server process, and one client process that saturates it
  bench             one server process, and several client processes that GET and POST

Each connection sends its next request when the answer to the last has come. Only this host is
loaded. `sclients-bench PROGRAM --help` prints the options of one program.

exit code: 0; 1 when nothing was answered, or the server's count and the clients' cannot both be
right; 2 when the program could not run
";

/// `http-processing`.
pub const HTTP_PROCESSING: &str = "\
usage: sclients-bench http-processing [options] URL

One process; N connections that GET and N that POST, each sending its next request when the answer
to the last has come.

options:
  --get N           connections that GET (4)
  --post N          connections that POST (4)
  --requests N      requests in all (10000)
  --body-bytes N    bytes that each POST carries (64)
  --duration T      begin no request after T, such as 250ms, 5s or 2m (60s)
";

/// `saturate`.
pub const SATURATE: &str = "\
usage: sclients-bench saturate [options] [URL]

One server process and one client process, whose connections each GET as fast as they are answered.
With a URL only the client runs, and there is no count of the server's to compare with. Latencies are
those of a closed loop: while the server stalls, few requests are under way that could notice.

options:
  --connections N   connections (64)
  --requests N      end after N requests in all (no limit)
  --duration T      begin no request after T, such as 250ms, 5s or 2m (5s)
";

/// `bench`.
pub const BENCH: &str = "\
usage: sclients-bench bench [options] [URL]

One server process and several client processes, which are started together; a line for each process
and one for all. With a URL only the clients run, and there is no count of the server's to compare
with.

options:
  --get P           client processes that GET (2)
  --post P          client processes that POST (2)
  --connections N   connections of each process (16)
  --body-bytes N    bytes that each POST carries (64)
  --requests N      end after N requests in all, shared out to the processes (no limit)
  --duration T      begin no request after T, such as 250ms, 5s or 2m (5s)
";
