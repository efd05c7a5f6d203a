"""The secrets of a Tekton step's service account, made into files that git, ssh and docker look for at home.

https://tekton.dev/docs/pipelines/auth/. The controller mounts each secret and names it in a flag, `-basic-git=SECRET=URL` and
so on. The files are made in `/tekton/creds` and copied from there to the step's HOME; what was there before is replaced.
"""

from binascii import b2a_base64

from . import _json, _markers
from ._errors import UsageError
from ._system import TYPE_CHECKING, posix

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._json import JSON

FLAGS = ("basic-git", "ssh-git", "basic-docker", "docker-config", "docker-cfg")
AT_HOME = (".docker", ".gitconfig", ".git-credentials", ".ssh")
PRIVATE, PRIVATE_FOLDER = 0o600, 0o700
LARGEST = 1 << 20
SSH_PORT = "22"
# What RFC 3986 lets stand in a user's name, and in a password, of a URL.
UNRESERVED = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~$&+,;="


class Credentials:
    """
    Raises:
        UsageError: A secret is not there, or named in the wrong way.
    """

    def __init__(self, given: list[tuple[str, str]], secrets: str, folder: str) -> None:
        self._secrets = secrets
        self._folder = folder
        self._files: dict[str, str] = {}
        self._git(_pairs(given, "basic-git"))
        self._ssh(_pairs(given, "ssh-git"))
        self._docker(given)

    def write(self, home: str | None, warn: "Callable[[str], None]") -> None:
        """Nothing here stops a step: Tekton's own goes on without its credentials, too."""
        folder = self._folder
        try:
            for name, content in self._files.items():
                path = f"{folder}/{name}"
                _markers.make_folders(_markers.parent(path), PRIVATE_FOLDER)
                _markers.write(path, content, mode=PRIVATE)
        except OSError as failure:
            warn(f"cannot write credentials to {folder}: {failure}")
        if home is None or not _markers.is_folder(folder):
            return
        for name in AT_HOME:
            try:
                _copy(f"{folder}/{name}", f"{home}/{name}")
            except OSError as failure:
                warn(f"cannot copy {folder}/{name} to {home}: {failure}")

    def _secret(self, secret: str, key: str) -> str:
        path = f"{self._secrets}/{secret}/{key}"
        content = _markers.read(path, LARGEST)
        if content is None:
            raise UsageError(f"the secret {secret!r} has no {key}: {path} cannot be read")
        return content.decode("utf-8", "surrogateescape")

    def _git(self, pairs: list[tuple[str, str]]) -> None:
        if not pairs:
            return
        sections = ["[credential]\n\thelper = store\n"]
        logins: list[tuple[bool, str]] = []
        for secret, url in pairs:
            user, password = self._secret(secret, "username"), self._secret(secret, "password")
            scheme, _, rest = url.rpartition("://")
            whole = bool(rest.partition("/")[2])
            by_path = "\tuseHttpPath = true\n" if whole else ""
            name = user.replace("\\", "\\\\")
            sections.append(f'[credential "{url}"]\n\tusername = {name}\n{by_path}')
            login = f"{_quoted(user)}:{_quoted(password)}@{rest}"
            logins.append((whole, f"{scheme}://{login}\n" if scheme else f"//{login}\n"))
        self._files[".gitconfig"] = "".join(sections)
        # A whole host is what is fallen back to. The sort keeps the order of equals.
        logins.sort(key=lambda login: login[0])
        self._files[".git-credentials"] = "".join(line for _, line in logins)

    def _ssh(self, pairs: list[tuple[str, str]]) -> None:
        hosts: dict[str, list[str]] = {}
        for secret, url in pairs:
            hosts.setdefault(url, []).append(secret)
        config, redirected = "", ""
        known: list[str] = []
        for url in sorted(hosts, key=lambda url: "/" in url):
            host, port, path = _address(url)
            alias = f"{host}--{path.replace('/', '--')}" if path else host
            config += f"Host {alias}\n    HostName {host}\n    Port {port}\n"
            for secret in hosts[url]:
                self._files[f".ssh/id_{secret}"] = self._secret(secret, "ssh-privatekey")
                config += f"    IdentityFile {self._folder}/.ssh/id_{secret}\n"
                content = _markers.read(f"{self._secrets}/{secret}/known_hosts", LARGEST)
                known += [content.decode("utf-8", "surrogateescape")] if content else []
            if path:
                redirected += _redirection(alias, host, port, path)
        if config:
            self._files[".ssh/config"] = config
        if known:
            self._files[".ssh/known_hosts"] = "\n".join(known)
        if redirected:
            self._files[".gitconfig"] = self._files.get(".gitconfig", "") + redirected

    def _docker(self, given: list[tuple[str, str]]) -> None:
        logins: dict[str, JSON] = {}
        for flag, key in (("docker-cfg", ".dockercfg"), ("docker-config", ".dockerconfigjson")):
            for secret in [value for name, value in given if name == flag]:
                try:
                    found = _json.read(self._secret(secret, key))
                except ValueError as failure:
                    raise UsageError(
                        f"{key} of the secret {secret!r} is no JSON: {failure}"
                    ) from None
                if flag == "docker-config" and isinstance(found, dict):
                    found = found.get("auths")
                logins.update(found if isinstance(found, dict) else {})
        for secret, url in _pairs(given, "basic-docker"):
            user, password = self._secret(secret, "username"), self._secret(secret, "password")
            both = b2a_base64(f"{user}:{password}".encode(), newline=False).decode()
            logins[url] = {"username": user, "password": password, "auth": both}
        if logins:
            self._files[".docker/config.json"] = _json.write({"auths": logins})


def _pairs(given: list[tuple[str, str]], flag: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in given:
        if name == flag:
            secret, equals, url = value.partition("=")
            if not (secret and equals and url) or "=" in url:
                raise UsageError(f"-{flag}: write SECRET=URL, not {value!r}")
            if any(other == url for _, other in pairs) and flag != "ssh-git":
                raise UsageError(f"-{flag}: several secrets for {url}")
            pairs.append((secret, url))
    return pairs


def _quoted(text: str) -> str:
    return "".join(
        letter
        if letter in UNRESERVED
        else "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogateescape"))
        for letter in text
    )


def _address(url: str) -> tuple[str, str, str]:
    """`host`, `host:port`, with or without the path of a repository."""
    authority, _, path = url.partition("/")
    host, colon, port = authority.rpartition(":")
    return (host, port, path) if colon else (authority, SSH_PORT, path)


def _redirection(alias: str, host: str, port: str, path: str) -> str:
    """So that git uses the key of this repository, and of no other one whose name begins alike."""
    there = host if port == SSH_PORT else f"{host}:{port}"
    return "".join(
        f'[url "{to}"]\n\tinsteadOf = {instead}\n'
        for to, instead in (
            (f"git@{alias}:{path}.git", f"git@{host}:{path}.git"),
            (f"ssh://{alias}/{path}.git", f"ssh://{there}/{path}.git"),
        )
    )


def _copy(source: str, target: str) -> None:
    """A file, or a folder with what is in it; nothing where there is nothing."""
    if _markers.is_folder(source):
        _markers.make_folders(target, PRIVATE_FOLDER)
        for name in posix.listdir(source):
            _copy(f"{source}/{name}", f"{target}/{name}")
        return
    content = _markers.read(source, LARGEST)
    if content is not None:
        _markers.write(target, content, mode=PRIVATE)
