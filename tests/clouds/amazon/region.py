"""One region of an emulated Amazon: moto's, with machines that take their time and really boot."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from tests.clouds.amazon.knobs import Knobs
from tests.clouds.amazon.requests import Request
from tests.clouds.booter import Booter

os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")

DEBIAN_OWNER: Final = "136693071363"
CODES: Final = {
    "pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64,
    "stopped": 80,
}  # fmt: skip
STANDARD: Final = "acdhimrtz"


class Refusal(Exception):
    """What Amazon answers instead of doing it."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.message = message or f"{code}."


@dataclass
class Life:
    """What the emulator knows of a machine beside what moto knows."""

    instance: Any
    groups: tuple[str, ...]
    looks: int = 0
    unseen: int = 0


class Region:
    """A region.

    Args:
        account: The account's twelve digits.
        name: The region's.
        booter: What boots its machines.
        knobs: What goes how.
    """

    def __init__(self, account: str, name: str, booter: Booter, knobs: Knobs) -> None:
        from moto.ec2.models import ec2_backends

        self.backend: Any = ec2_backends[account][name]
        self.booter, self.knobs = booter, knobs
        self.lives: dict[str, Life] = {}
        self.asked: Request | None = None
        self._terminate = self.backend.terminate_instances
        self._run = self.backend.run_instances
        self._describe = self.backend.describe_instances
        self._delete_group = self.backend.delete_security_group
        self.backend.run_instances = self._run_instances
        self.backend.describe_instances = self._describe_instances
        self.backend.terminate_instances = self._terminate_instances
        self.backend.stop_instances = self._stop_instances
        self.backend.start_instances = self._start_instances
        self.backend.delete_security_group = self._delete_security_group
        self._furnish(name)
        self.beginning = set(self.things())

    def things(self) -> dict[str, str]:
        """Everything that there is, by its id, and of what kind it is."""
        found = {
            each.id: "instance"
            for each in self.backend.all_instances()
            if each._state.name != "terminated"
        }
        found |= dict.fromkeys(self.backend.volumes, "volume")
        found |= dict.fromkeys(self.backend.enis, "network-interface")
        found |= dict.fromkeys(self.backend.launch_templates, "launch-template")
        for groups in self.backend.groups.values():
            found |= dict.fromkeys(groups, "security-group")
        found |= dict.fromkeys(self.backend.vpcs, "vpc")
        return found

    def tags_of(self, name: str) -> Mapping[str, str]:
        """The tags of what has this id, or of the launch template of this name; what is gone has
        none, so where rights hang on tags it is refused as not allowed."""
        id_ = self.backend.launch_template_name_to_ids.get(name, name)
        if id_ not in self.things() and id_ not in self.lives:
            return {}
        tags = self.backend.describe_tags(filters={"resource-id": [id_]})
        return {tag["key"]: tag["value"] for tag in tags}

    def fill_in(self, request: Request) -> None:
        """Put what the launch template says into a request."""
        if request.values.get("LaunchTemplate.LaunchTemplateName"):
            self._merge_template(request)

    def prepare_run(self, request: Request) -> None:
        """Refuse what Amazon would refuse, and settle how many machines come."""
        values = request.values
        for key in [each for each in values if each.startswith("LaunchTemplate.")]:
            del values[key]
        if values.get("ImageId") not in self.backend.amis:
            raise Refusal(
                "InvalidAMIID.NotFound", f"The image id '[{values.get('ImageId')}]' does not exist"
            )
        card: Any = (request.items("NetworkInterface") or [{}])[0]
        for group in card.get("SecurityGroupId") or ():
            if self.backend.get_security_group_from_id(group) is None:
                raise Refusal(
                    "InvalidGroup.NotFound", f"The security group '{group}' does not exist"
                )
        if request.is_dry:
            return
        kinds = self._kinds(request, str(card.get("SubnetId")))
        least, most = int(values.get("MinCount", 1)), int(values.get("MaxCount", 1))
        kind = "spot" if "spot" in kinds else "on-demand"
        needed = most * self._cpus(str(values["InstanceType"]))
        if self._cpus_in_use(kind) + needed > self.knobs.quota[kind]:
            raise Refusal(
                "MaxSpotInstanceCountExceeded" if kind == "spot" else "VcpuLimitExceeded",
                f"You have requested more vCPU capacity than your current vCPU limit of "
                f"{self.knobs.quota[kind]} allows for the instance bucket.",
            )
        room = self.knobs.room_for(kinds)
        count = most if room is None else min(most, room)
        if count < least:
            raise Refusal(
                "InsufficientInstanceCapacity",
                f"We currently do not have sufficient {values['InstanceType']} capacity in the "
                "Availability Zone you requested.",
            )
        self.knobs.take_room(kinds, count)
        values["MinCount"] = values["MaxCount"] = str(count)

    def console(self, id_: str) -> str:
        """What a machine wrote."""
        if id_ not in self.lives:
            raise Refusal("InvalidInstanceID.NotFound", f"The instance ID '{id_}' does not exist")
        return base64.b64encode(self.booter.console(id_).encode()).decode()

    def reclaim(self, id_: str) -> None:
        """Amazon takes a spot machine back."""
        life = self.lives[id_]
        self._end(life)
        life.instance._reason = "Server.SpotInstanceTermination"
        life.instance.state_reason.code = "Server.SpotInstanceTermination"
        life.instance.state_reason.message = "Server.SpotInstanceTermination: Spot interruption"

    # What moto's responses call.

    def _run_instances(self, *args: Any, **kwargs: Any) -> Any:
        request = self.asked
        assert request is not None
        made = self._run(*args, **kwargs)
        tags = request.tags()
        role = {"master": "MAS", "worker": "WOR"}.get(
            tags.get("instance", {}).get("oceanid-role", ""), "WOR"
        )
        user_data = base64.b64decode(str(request.values.get("UserData", ""))).decode()
        card: Any = (request.items("NetworkInterface") or [{}])[0]
        is_public = card.get("AssociatePublicIpAddress") == "true"
        for instance in made.instances:
            addresses = self.booter.boot(instance.id, user_data, role)
            nic = instance.nics[0]
            nic.private_ip_address = addresses.private
            nic.private_ip_addresses = [{"Primary": True, "PrivateIpAddress": addresses.private}]
            nic.public_ip_auto_assign = False
            nic.public_ip = addresses.public if is_public else None
            nic.add_tags(tags.get("network-interface", {}))
            _state(instance, "pending")
            self.lives[instance.id] = Life(
                instance, tuple(card.get("SecurityGroupId") or ()), unseen=self.knobs.unseen
            )
        return made

    def _describe_instances(self, filters: Any = None) -> Any:
        self._pass_time()
        hidden = {id_ for id_, life in self.lives.items() if life.unseen > 0}
        for id_ in hidden:
            self.lives[id_].unseen -= 1
        found = self._describe(filters)
        for each in found:
            each.instances = [one for one in each.instances if one.id not in hidden]
        return [each for each in found if each.instances]

    def _terminate_instances(self, ids: list[str]) -> Any:
        done = []
        for life in self._known(ids):
            before = _before(life.instance)
            if life.instance._state.name not in ("shutting-down", "terminated"):
                self._end(life)
            done.append((life.instance, before))
        return done

    def _stop_instances(self, ids: list[str]) -> Any:
        return self._turn(ids, {"pending", "running"}, "stopping", self.booter.stop, "stopped")

    def _start_instances(self, ids: list[str]) -> Any:
        return self._turn(ids, {"stopped"}, "pending", self.booter.start, "running")

    def _delete_security_group(self, name: str | None = None, group_id: str | None = None) -> None:
        for life in self.lives.values():
            if group_id in life.groups and life.instance._state.name != "terminated":
                from moto.ec2.exceptions import DependencyViolationError

                raise DependencyViolationError(f"resource {group_id} has a dependent object")
        self._delete_group(name, group_id)

    def _turn(
        self, ids: list[str], may: set[str], to: str, tell: Callable[[str], None], there: str
    ) -> Any:
        known = self._known(ids)
        for life in known:
            if life.instance._state.name not in may | {to, there}:
                raise _incorrect(life.instance)
        done = []
        for life in known:
            before = _before(life.instance)
            if life.instance._state.name in may:
                _state(life.instance, to)
                life.looks = 0
                tell(life.instance.id)
            done.append((life.instance, before))
        return done

    def _known(self, ids: list[str]) -> list[Life]:
        from moto.ec2.exceptions import InvalidInstanceIdError

        unknown = [each for each in ids if each not in self.lives or self.lives[each].unseen > 0]
        if unknown:
            raise InvalidInstanceIdError(unknown)
        return [self.lives[each] for each in ids]

    def _end(self, life: Life) -> None:
        _state(life.instance, "shutting-down")
        life.looks = 0
        self.booter.end(life.instance.id)

    def _pass_time(self) -> None:
        for life in self.lives.values():
            state = life.instance._state.name
            if state in ("running", "stopped", "terminated"):
                if state == "running" and self.booter.state(life.instance.id) == "stopped":
                    # It was shut down from within.
                    _state(life.instance, "stopped")
                continue
            life.looks += 1
            if life.looks <= self.knobs.looks:
                continue
            booted = self.booter.state(life.instance.id)
            if state == "shutting-down" and booted == "gone":
                self._terminate([life.instance.id])
            elif state == "pending" and booted == "running":
                _state(life.instance, "running")
            elif state == "stopping" and booted == "stopped":
                _state(life.instance, "stopped")

    def _merge_template(self, request: Request) -> None:
        from tests.clouds.amazon.requests import flat

        name = str(request.values["LaunchTemplate.LaunchTemplateName"])
        id_ = self.backend.launch_template_name_to_ids.get(name)
        if id_ is None:
            raise Refusal(
                "InvalidLaunchTemplateName.NotFoundException",
                f"The specified launch template, with template name {name}, does not exist.",
            )
        version = request.values.get("LaunchTemplate.Version", "$Default")
        data = self.backend.launch_templates[id_].get_version(version).data
        for key, value in data.items():
            parts = flat({"BlockDeviceMappings": "BlockDeviceMapping"}.get(key, key), value)
            for part, plain in parts.items():
                request.values.setdefault(part, plain)

    def _kinds(self, request: Request, subnet: str) -> set[str]:
        zone = str(self.backend.get_subnet(subnet).availability_zone)
        kinds = {zone, str(request.values["InstanceType"])}
        if request.values.get("InstanceMarketOptions.MarketType") == "spot":
            kinds.add("spot")
        return kinds

    def _cpus(self, machine_type: str) -> int:
        from moto.ec2.models.instance_types import INSTANCE_TYPES

        if machine_type not in INSTANCE_TYPES:
            raise Refusal(
                "InvalidParameterValue", f"Invalid value '{machine_type}' for InstanceType."
            )
        return int(INSTANCE_TYPES[machine_type]["VCpuInfo"]["DefaultVCpus"])

    def _cpus_in_use(self, kind: str) -> int:
        return sum(
            self._cpus(life.instance.instance_type)
            for life in self.lives.values()
            if life.instance._state.name in ("pending", "running")
            and (life.instance.lifecycle == "spot") == (kind == "spot")
        )

    def _furnish(self, name: str) -> None:
        """What a region of a new account has: a default network with a way out; Debian's images."""
        from moto.ec2.models.amis import Ami

        backend = self.backend
        vpc = backend.get_default_vpc()
        gateway = backend.create_internet_gateway()
        backend.attach_internet_gateway(gateway.id, vpc.id)
        table = next(each for each in backend.route_tables.values() if each.vpc_id == vpc.id)
        backend.create_route(table.id, "0.0.0.0/0", gateway_id=gateway.id)
        for number, (architecture, day) in enumerate(
            [("amd64", 1), ("amd64", 14), ("arm64", 14)], 1
        ):
            id_ = f"ami-0debace0000000{number:03}"
            backend.amis[id_] = Ami(
                backend, id_,
                name=f"debian-13-{architecture}-202608{day:02}-2204",
                owner_id=DEBIAN_OWNER, public=True, virtualization_type="hvm",
                architecture={"amd64": "x86_64"}.get(architecture, architecture),
                creation_date=datetime(2026, 8, day, tzinfo=UTC),
                root_device_type="ebs", root_device_name="/dev/xvda",
                region_name=f"{name}a", image_location="",
            )  # fmt: skip


def _state(instance: Any, name: str) -> None:
    from moto.ec2.models.instances import InstanceState

    instance._state = InstanceState(name, CODES[name])


def _before(instance: Any) -> Any:
    from moto.ec2.models.instances import InstanceState

    return InstanceState(instance._state.name, instance._state.code)


def _incorrect(instance: Any) -> Exception:
    return Refusal(
        "IncorrectInstanceState",
        f"The instance '{instance.id}' is not in a state from which it can be moved.",
    )
