"""What a pod will suffer from, found in its manifest.

    python examples/14_check.py

What to see: three faults with their places. The hook takes more than the grace period, and asks for a
port that the container does not have; a shell keeps SIGTERM to itself. `lifecycle check FILE` prints
the same, and more.
"""

from lifecycle.kube import check, read_manifest

MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 10
  initContainers:
    - name: proxy
      image: registry.example/proxy
      restartPolicy: Always
      lifecycle: {preStop: {sleep: {seconds: 10}}}
  containers:
    - name: web
      image: registry.example/web
      command: [sh, -c, "migrate; uvicorn web:app"]
      ports: [{name: http, containerPort: 8000}]
      lifecycle: {preStop: {httpGet: {port: web, path: /shutdown}}}
"""

for finding in check(read_manifest(MANIFEST, "pod.yaml")):
    print(f"{finding.where} {finding.rule.id}: {finding.message}")
    print(f"    instead: {finding.fix}")
