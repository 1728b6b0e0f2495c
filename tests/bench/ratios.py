"""Figures that are ratios by themselves: pushes with much stored ÷ with little, several hosts ÷ one, quotas kept ÷ none.

Both sides of a ratio are measured several times, in turns where both can be there at once, and the medians compared: what
else the machine does meets both alike.
"""
import base64
import concurrent.futures
import contextlib
import json
import os
import sqlite3
import statistics
import subprocess
import time

ROUNDS = 3
LITTLE, MUCH = 10_000, 1_000_000  # placements stored
REST = 2.5  # seconds after which an idle host has given its mailboxes back, so that every run begins alike
IN_FLIGHT = 64  # of each host: three of them, and the database, have to find room in the machine


def at_provider(bench):
    base = bench.provider.url
    return {"authorize_url": base + "/authorize", "token_url": base + "/token", "revoke_url": base + "/revoke", "api_url": base}


def settle(tools, host):
    tools.wait_for(lambda: host.metric("calbridge_deliveries_due") == 0, "all outcomes are stored", pause=0.05)


@contextlib.contextmanager
def as_the_host(bench, host):
    before, bench.host = bench.host, host
    try:
        yield
    finally:
        bench.host = before


def in_turns(bench, tools, hosts, count):
    """Median pushes/s of each host."""
    rates = [[] for _ in hosts]
    for _ in range(ROUNDS):
        for host, found in zip(hosts, rates):
            with as_the_host(bench, host):
                found.append(bench.push_run(count, 0)[0])
    print("  rounds: " + "; ".join(", ".join(f"{rate:,.0f}" for rate in found) for found in rates), flush=True)
    return [statistics.median(found) for found in rates]


def town(bench, tools, name, **options):
    """A host of its own with connected people, warm."""
    host = tools.Host(bench.build, os.path.join(bench.folder, name), at_provider(bench), **options)
    chosen = list(tools.people())
    tools.add_people(host, chosen, [(f"customer-{k}", "customer", None) for k in range(tools.CUSTOMERS)])
    tools.connect(host, chosen, tools.consent_at_bench_provider, lambda _: "google")
    with as_the_host(bench, host):
        bench.push_run(200, 0)
    return host


def database(host):
    return contextlib.closing(sqlite3.connect(os.path.join(host.folder, "var", "calbridge.db")))


def decided_under(host):
    with database(host) as db:
        return db.execute("SELECT value FROM meta WHERE key = 'decided_under'").fetchone()


def fill(bench, tools, host, placements):
    """Copies delivered appointments under other ids until so many placements are stored, while the host does not run."""
    host.stop()
    before = decided_under(host)
    host.start()  # decides again about the few appointments that there are, because people came: not about all copies then
    tools.wait_for(lambda: decided_under(host) != before, "everything is decided again", pause=0.05)
    host.stop()
    began = time.monotonic()
    with database(host) as db, db:
        for pragma in ("cache_size = -200000", "journal_mode = OFF", "synchronous = OFF"):
            db.execute("PRAGMA " + pragma)
        columns = lambda table, *others: [c for (c,) in db.execute("SELECT name FROM pragma_table_info(?)", (table,)) if c not in others]
        db.execute("""CREATE TEMP TABLE models AS SELECT row_number() OVER (ORDER BY appointment_id) - 1 AS model, appointment_id FROM
                      (SELECT p.appointment_id FROM placements p JOIN deliveries d ON d.placement_id = p.id WHERE d.state = 'delivered'
                       GROUP BY p.appointment_id HAVING count(*) = 3)""")
        db.execute("CREATE UNIQUE INDEX temp.model_numbers ON models (model)")
        db.execute("""CREATE TEMP TABLE parts AS SELECT model, p.id AS placement, row_number() OVER (PARTITION BY model ORDER BY p.id) - 1 AS part
                      FROM models JOIN placements p USING (appointment_id)""")
        db.execute("CREATE UNIQUE INDEX temp.part_numbers ON parts (model, part)")
        models = db.execute("SELECT count(*) FROM models").fetchone()[0]
        first, there = db.execute("SELECT max(id) + 1, count(*) FROM placements").fetchone()
        copies = (placements - there) // 3
        series = f"WITH RECURSIVE series (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM series WHERE n + 1 < {copies})"
        source = f"FROM series CROSS JOIN models m ON m.model = n % {models}"
        name = "printf('fill-%09d', n)"
        others = ", ".join("a." + c for c in columns("appointments", "id", "snapshot"))
        db.execute(f"{series} INSERT INTO appointments (id, snapshot, {others.replace('a.', '')}) SELECT {name}, json_set(a.snapshot, '$.id', {name}), "
                   f"{others} {source} CROSS JOIN appointments a ON a.id = m.appointment_id")
        source += " CROSS JOIN parts ON parts.model = m.model"
        others = ", ".join("p." + c for c in columns("placements", "id", "appointment_id"))
        db.execute(f"{series} INSERT INTO placements (id, appointment_id, {others.replace('p.', '')}) SELECT {first} + 3 * n + part, {name}, {others} "
                   f"{source} CROSS JOIN placements p ON p.id = parts.placement")
        others = ", ".join("d." + c for c in columns("deliveries", "placement_id", "provider_event_id"))
        db.execute(f"{series} INSERT INTO deliveries (placement_id, provider_event_id, {others.replace('d.', '')}) SELECT {first} + 3 * n + part, "
                   f"printf('fill%09d', 3 * n + part), {others} {source} CROSS JOIN deliveries d ON d.placement_id = parts.placement")
        stored = db.execute("SELECT count(*) FROM deliveries").fetchone()[0]
        assert placements - 3 < stored <= placements, stored
    print(f"  {stored:,} placements stored in {time.monotonic() - began:.0f} s, not counted", flush=True)


def stored(bench, tools):
    print("setting up: two hosts, one with much stored", flush=True)
    hosts, much = [], int(MUCH * bench.share)
    try:
        for name, placements in (("little", LITTLE), ("much", much)):
            host = town(bench, tools, name)
            fill(bench, tools, host, placements)
            began = time.monotonic()
            host.start()
            bench.figures[f"start_seconds_{name}_stored"] = time.monotonic() - began
            hosts.append(host)
            with as_the_host(bench, host):
                bench.push_run(200, 0)
        little_rate, much_rate = in_turns(bench, tools, hosts, int(3000 * bench.share))
    finally:
        for host in hosts:
            host.kill()
    bench.row(f"pushes/s, {much:,} placements stored", much_rate,
              f"{much_rate:,.0f} (start {bench.figures['start_seconds_much_stored']:.1f} s)",
              f"{little_rate:,.0f} with {LITTLE:,} stored", much_rate / little_rate, "ratio ≥ 0.85")


def isolation(bench, tools):
    """A service on this machine has no quota unless one is set: so one host keeps buckets for the provider and for each of
    300 accounts, which never run dry, and the other has none."""
    print("setting up: two hosts, one of which keeps quotas", flush=True)
    most = json.dumps({"per_minute": 10_000_000, "per_account_per_minute": 10_000_000})
    hosts = []
    try:
        for name, settings in (("free", {}), ("limited", {"providers.google.limits": most})):
            hosts.append(town(bench, tools, name, more=settings))
        free, limited = in_turns(bench, tools, hosts, int(6000 * bench.share))
    finally:
        for host in hosts:
            host.kill()
    bench.row("pushes/s, quotas kept at normal times", limited, f"{limited:,.0f}", f"{free:,.0f} without quotas", limited / free,
              "nothing measurable")


class Postgresql:
    """The throw-away server of the tests."""

    def __init__(self, source):
        self.process = subprocess.Popen([os.path.join(source, "tests", "postgresql", "server")], text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.there = bool(self.process.stdout.readline().strip())

    def database(self):
        self.process.stdin.write("database\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def nodes_run(bench, tools, hosts, count):
    """Pushes/s of all hosts together, each of which is told of so many events: the steady part, from when a quarter is made
    to when nine tenths are. Before it mailboxes find their hosts; after it the last ones have nobody to share with."""
    time.sleep(REST)
    bench.provider.json("POST", "/reset")
    bench.provider.json("POST", "/latency/100")
    plans = []
    for host in hosts:
        plans.append(bench.events("appointment.assigned", count, connections=8, port=host.port, key=hosts[0].key))
    wanted = 3 * count * len(hosts)
    reached = []

    def made(share):
        def enough():
            pushes = bench.provider.json("GET", "/stats")["pushes"]
            if pushes < share * wanted:
                return False
            reached.append((time.monotonic(), pushes))
            return True
        return enough

    with concurrent.futures.ThreadPoolExecutor(len(plans)) as pool:
        reports = pool.map(lambda plan: json.loads(bench.run(*plan)), plans)
        for share in (0.25, 0.9, 1):
            tools.wait_for(made(share), f"{share:.0%} of the pushes are made", pause=0.02)
        for report in reports:
            assert report["not_2xx"] == report["failed"] == 0, report
    bench.provider.json("POST", "/latency/0")
    settle(tools, hosts[0])
    stats = bench.provider.json("GET", "/stats")
    assert stats == {"pushes": wanted, "entries": wanted, "doubled": 0}, stats
    (began, before), (ended, after) = reached[:2]
    return (after - before) / (ended - began)


def nodes(bench, tools):
    print("setting up: PostgreSQL, and a host on it", flush=True)
    server, hosts = Postgresql(tools.SOURCE), []
    if not server.there:
        print("  three hosts: not measured, no PostgreSQL server is installed (Debian package postgresql)", flush=True)
        return
    count = int(2000 * bench.share)
    try:
        more = {"storage.url": server.database(), "delivery.max_in_flight": IN_FLIGHT}
        environment = {"CALBRIDGE_MASTER_KEY": base64.b64encode(os.urandom(32)).decode()}
        hosts.append(town(bench, tools, "node-1", more={**more, "storage.node": "node-1"}, environment=environment))
        nodes_run(bench, tools, hosts, count // 4)
        one = [nodes_run(bench, tools, hosts, count) for _ in range(ROUNDS)]
        for name in ("node-2", "node-3"):
            hosts.append(tools.Host(bench.build, os.path.join(bench.folder, name), at_provider(bench),
                                    more={**more, "storage.node": name}, environment=environment, like=hosts[0]))
        nodes_run(bench, tools, hosts, count // 4)
        three = [nodes_run(bench, tools, hosts, count) for _ in range(ROUNDS)]
        print(f"  rounds: {', '.join(f'{r:,.0f}' for r in one)}; {', '.join(f'{r:,.0f}' for r in three)}", flush=True)
        one, three = statistics.median(one), statistics.median(three)
    finally:
        for host in hosts:
            host.kill()
        server.close()
    bench.row("pushes/s, three hosts, provider takes 100 ms", three, f"{three:,.0f}",
              f"{one:,.0f} one host; {IN_FLIGHT * 30:,} ({IN_FLIGHT} in flight each ÷ 0.1 s)", three / one, "ratio ≥ 2.7")
