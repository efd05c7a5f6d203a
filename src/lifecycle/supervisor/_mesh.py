"""Where the sidecars of service meshes say that they are ready, and where they are told to go."""

# Port 15021 and 15020 of pilot-agent: https://istio.io/latest/docs/ops/deployment/application-requirements/
# Port 4191 of linkerd-proxy: https://linkerd.io/2/reference/proxy-metrics/
PRESETS = {
    "istio": ("http://127.0.0.1:15021/healthz/ready", "http://127.0.0.1:15020/quitquitquit"),
    "linkerd": ("http://127.0.0.1:4191/ready", "http://127.0.0.1:4191/shutdown"),
}


def readiness_of(mesh: str) -> str:
    return PRESETS[mesh][0]


def farewell_of(mesh: str) -> str:
    return PRESETS[mesh][1]
