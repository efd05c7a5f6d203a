"""The application in its container: what it is set to there. Rules look at it through this."""

from collections.abc import Iterator

from lifecycle.core import Settings, SettingsError
from lifecycle.kube._app import AppFacts
from lifecycle.kube._app_place import containers_of, environment_in
from lifecycle.kube._container import Container
from lifecycle.kube._rule import Subject
from lifecycle.kube._where import Where


class Seen:
    """The application in its container: what it is set to there."""

    def __init__(self, subject: Subject, app: AppFacts, container: Container) -> None:
        self.app = app
        self.container = container
        self.pod = subject.pod
        self.subject = subject
        self.settings: Settings = app.settings(environment_in(container))

    def hook_at(self, name: str = "preStop") -> Where:
        return self.container.lifecycle_place.at(name)

    def has(self, variable: str) -> bool:
        return any(one.name == variable for one in self.container.env)


def seen_in(subject: Subject) -> Iterator[Seen]:
    """Where it runs in this workload, except where it would refuse to start: a rule of its own tells of that."""
    if subject.app is None:
        return
    for container in containers_of(subject.workload, subject.manifest, subject.app):
        try:
            yield Seen(subject, subject.app, container)
        except SettingsError:
            continue
