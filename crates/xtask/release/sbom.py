"""Writes the CycloneDX list of the crates in the programs, from the output of cargo metadata.

usage: sbom.py VERSION SECONDS PACKAGE... < METADATA > BOM
"""

import json
import sys
import uuid
from datetime import datetime, timezone

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.validation.json import JsonStrictValidator
from cyclonedx.schema import SchemaVersion
from packageurl import PackageURL

version, seconds, *programs = sys.argv[1:]
metadata = json.load(sys.stdin)
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}


def needs(package):
    """The packages that are linked into this one; not those of its tests and its build."""
    for dependency in nodes[package]["deps"]:
        if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
            yield dependency["pkg"]


def component(package):
    """The component of a package. Crates of this workspace have no registry."""
    ours = package["source"] is None
    licenses = [LicenseFactory().make_from_string(package["license"])] if package["license"] else []
    return Component(
        type=ComponentType.LIBRARY,
        name=package["name"],
        version=package["version"],
        bom_ref=f"{package['name']}@{package['version']}",
        purl=None if ours else PackageURL("cargo", name=package["name"], version=package["version"]),
        licenses=licenses,
    )


members = {packages[member]["name"]: member for member in metadata["workspace_members"]}
seen, left = set(), [members[name] for name in programs]
while left:
    package = left.pop()
    if package not in seen:
        seen.add(package)
        left.extend(needs(package))

name = f"certstream-{version}"
bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_URL, name))
bom.metadata.timestamp = datetime.fromtimestamp(int(seconds), timezone.utc)
root = Component(type=ComponentType.APPLICATION, name="certstream", version=version, bom_ref=name)
bom.metadata.component = root
components = {package: component(packages[package]) for package in seen}
for package in components.values():
    bom.components.add(package)
for package, own in components.items():
    bom.register_dependency(own, [components[needed] for needed in needs(package)])
bom.register_dependency(root, [components[members[name]] for name in programs])

text = JsonV1Dot6(bom).output_as_string(indent=2)
mistake = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
if mistake:
    sys.exit(f"the list is not CycloneDX: {mistake}")
print(text)
