#!/usr/bin/env python3
"""Verify a midmirror catalog with python-tuf, an implementation of TUF that shares no code with midmirror.

    pip install tuf
    verify_catalog.py TRUSTED_ROOT METADATA [--targets BASE_URL [--consistent]] [TARGET...]

TRUSTED_ROOT is root metadata had from a trusted place (a copy of repository/1.root.json), METADATA the URL of the
mirror's /repository/ or a folder. Every target named is looked up; with --targets (the mirror's base URL, or a folder)
it is downloaded under its vendor path and its length and digest are compared. With --consistent it is downloaded as
TUF clients do by default, with the digest before the name (BASE_URL is then the mirror's /repository/targets/).
The environment variable SSL_CERT_FILE names the mirror's certificate authority.

Prints one JSON object: the versions of the four roles and what was found of the targets. Exit code 0: all is verified;
1: refused, with the reason on standard error.
"""

import argparse
import json
import os
import sys
import tempfile
import urllib.parse
import urllib.request

from tuf.api import exceptions
from tuf.api.metadata import Metadata
from tuf.ngclient import Updater
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface


class FolderFetcher(FetcherInterface):
    """Reads file: URLs; python-tuf itself fetches over HTTP only."""

    def _fetch(self, url):
        path = urllib.request.url2pathname(urllib.parse.urlparse(url).path)
        try:
            with open(path, "rb") as file:
                yield from iter(lambda: file.read(65536), b"")
        except FileNotFoundError as error:
            raise exceptions.DownloadHTTPError(f"{path} is not there", 404) from error


def as_url(place):
    if "://" in place:
        return place
    return urllib.parse.urljoin("file:", urllib.request.pathname2url(os.path.abspath(place))) + "/"


def verify(arguments, folder):
    metadata_url = as_url(arguments.metadata)
    targets_url = as_url(arguments.targets) if arguments.targets else None
    with open(arguments.root, "rb") as file:
        root = file.read()
    local = [url for url in (metadata_url, targets_url) if url and url.startswith("file:")]
    updater = Updater(
        metadata_dir=os.path.join(folder, "metadata"),
        metadata_base_url=metadata_url,
        target_dir=os.path.join(folder, "targets"),
        target_base_url=targets_url,
        fetcher=FolderFetcher() if local else None,
        # The vendor's own paths have no digest in front.
        config=UpdaterConfig(prefix_targets_with_hash=arguments.consistent),
        bootstrap=root,
    )
    updater.refresh()
    versions = {}
    for role in ("root", "timestamp", "snapshot", "targets"):
        versions[role] = Metadata.from_file(os.path.join(folder, "metadata", f"{role}.json")).signed.version
    targets = {}
    for name in arguments.target:
        info = updater.get_targetinfo(name)
        if info is None:
            raise SystemExit(f"error: {name} is not in the catalog")
        if targets_url:
            updater.download_target(info)
        targets[name] = {"length": info.length, "sha256": info.hashes["sha256"], "downloaded": bool(targets_url)}
    return {"versions": versions, "targets": targets}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("metadata")
    parser.add_argument("target", nargs="*")
    parser.add_argument("--targets")
    parser.add_argument("--consistent", action="store_true")
    arguments = parser.parse_intermixed_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("metadata", "targets"):
            os.mkdir(os.path.join(folder, name))
        try:
            found = verify(arguments, folder)
        except (exceptions.RepositoryError, exceptions.DownloadError, ValueError, OSError) as error:
            raise SystemExit(f"error: {type(error).__name__}: {error}") from error
    json.dump(found, sys.stdout, indent=2, sort_keys=True)
    print()


if __name__ == "__main__":
    main()
