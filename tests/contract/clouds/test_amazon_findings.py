"""What a cluster's open wishes come to at Amazon, and what is found before anything is made."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from oceanid.clouds.specs import Blueprint, ClusterSpec
from oceanid.clouds.testing.stage import Actor
from oceanid.errors import InvalidValue, NameTaken
from oceanid.specs import Step
from tests.clouds.amazon.region import Region
from tests.contract.clouds.amazon_stage import AmazonStage


@pytest.fixture
def stage() -> Iterator[AmazonStage]:
    made = AmazonStage()
    yield made
    made.close()


def resolved(stage: AmazonStage, **wanted: Any) -> Blueprint:
    return asyncio.run(stage.make_cloud().resolve(ClusterSpec("alps", **wanted)))


def region(stage: AmazonStage, name: str = "eu-central-1") -> Region:
    return stage.emulator.region(name)


def private_network(stage: AmazonStage, *, way_out: str) -> tuple[str, str]:
    """A network with one subnet, whose machines have no public address."""
    backend = region(stage).backend
    vpc = backend.create_vpc("10.9.0.0/16")
    subnet = backend.create_subnet(vpc.id, "10.9.0.0/28", availability_zone="eu-central-1b")
    if way_out == "nat":
        table = next(each for each in backend.route_tables.values() if each.vpc_id == vpc.id)
        nat = backend.create_nat_gateway(subnet.id, None, connectivity_type="private")
        backend.create_route(table.id, "0.0.0.0/0", nat_gateway_id=nat.id)
    return vpc.id, subnet.id


def test_the_newest_debian_is_taken_for_each_processor(stage: AmazonStage) -> None:
    found = resolved(stage)
    images = region(stage).backend.amis
    assert images[found.node_image].name == "debian-13-amd64-20260814-2204"
    assert found.master_image == found.node_image and found.master_type == "t3.small"
    assert (found.node_shape.cpus, found.node_shape.memory_mib) == (2, 2048)
    assert found.region == "eu-central-1" and len(found.zones) >= 2
    mixed = resolved(stage, master_type="t3.small", node_type="t4g.small")
    assert images[mixed.node_image].architecture == "arm64"
    assert images[mixed.master_image].architecture == "x86_64"


def test_a_master_is_as_the_nodes_when_nothing_is_said(stage: AmazonStage) -> None:
    assert resolved(stage, node_type="m6i.large").master_type == "m6i.large"
    assert resolved(stage, master_type="m6i.large").node_type == "m6i.large"


def test_a_parameter_of_ones_own_names_the_image() -> None:
    stage = AmazonStage(config={"image_parameter": "/ours/{architecture}"})
    policy: dict[str, Any] = {"Statement": [*stage.emulator.policy["Statement"], {
        "Effect": "Allow", "Action": "ssm:GetParameters", "Resource": "*",
    }]}  # fmt: skip
    stage.emulator.policy = policy
    try:
        import boto3

        ssm = boto3.client(
            "ssm", endpoint_url=stage.served.address, region_name="eu-central-1",
            aws_access_key_id="AKIA" + "R" * 16, aws_secret_access_key="x" * 40,
        )  # fmt: skip
        image = next(iter(region(stage).backend.amis))
        ssm.put_parameter(Name="/ours/amd64", Value=image, Type="String")
        assert resolved(stage).node_image == image
        with pytest.raises(InvalidValue, match="names no image for arm64"):
            resolved(stage, node_type="t4g.small")
    finally:
        stage.close()


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"node_type": "t3.gigantic"}, "t3.gigantic"),
        ({"node_image": "ami-0123456789abcdef0"}, "no image ami-0123456789abcdef0"),
        ({"node_image": "ami-0debace0000000003"}, "is for arm64"),
        ({"network": "vpc-0123456789abcdef0"}, "no network vpc-0123456789abcdef0"),
        ({"network": "subnet-0123456789abcdef0"}, "no network subnet-"),
        ({"zones": ("eu-central-1z",)}, "no subnet in the zone eu-central-1z"),
        ({"region": "eu-west-1", "zones": ("eu-central-1a",)}, "no subnet in the zone"),
    ],
)
def test_what_is_not_there_is_told_with_its_cure(
    stage: AmazonStage, wanted: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidValue) as refused:
        resolved(stage, **wanted)
    assert told in refused.value.message and refused.value.hint


def test_without_a_default_network_one_must_be_named(stage: AmazonStage) -> None:
    backend = region(stage).backend
    for subnets in backend.subnets.values():
        for subnet in subnets.values():
            subnet.default_for_az = False
    with pytest.raises(InvalidValue) as refused:
        resolved(stage)
    assert "aws ec2 create-default-vpc --region eu-central-1" in refused.value.hint


def test_in_a_network_with_another_way_out_no_machine_has_a_public_address(
    stage: AmazonStage,
) -> None:
    vpc, subnet = private_network(stage, way_out="nat")
    for named in (vpc, subnet):
        found = resolved(stage, network=named)
        assert found.zones == ("eu-central-1b",) and found.more["way_out"] == "other"

    async def scenario() -> None:
        actor = Actor(stage)
        cloud = stage.make_cloud()
        blueprint = await cloud.resolve(ClusterSpec("alps", network=subnet))
        claim = replace(await actor.claimed(), blueprint=blueprint)
        actor.claim = claim
        steps = await cloud.preflight(claim, size=3)
        assert all(step.ok for step in steps), steps
        assert "private" in next(step for step in steps if step.name == "network").found
        found = await actor.running(1)
        assert all(each.private_address and not each.public_address for each in found)
        steps = await cloud.preflight(claim, size=30)
        assert [step.name for step in steps if not step.ok] == ["network"]
        await actor.dismantled()
        left = {each.split()[0] for each in stage.remains()}
        assert left <= {"vpc", "security-group", "network-interface"}, "the network stays"

    asyncio.run(scenario())


def before(stage: AmazonStage, *, size: int = 3, **changes: Any) -> dict[str, Step]:
    """What a preflight tells, by its steps."""

    async def scenario() -> tuple[Step, ...]:
        actor = Actor(stage)
        claim = await actor.claimed()
        claim = replace(claim, blueprint=replace(claim.blueprint, **changes))
        return await actor.cloud.preflight(claim, size=size)

    steps = asyncio.run(scenario())
    assert all(step.found and (step.ok or step.hint) for step in steps)
    return {step.name: step for step in steps}


@pytest.mark.parametrize("size", [1, 3, 500])
def test_all_is_well_before_the_start(stage: AmazonStage, size: int) -> None:
    told = before(stage, size=size)
    assert all(step.ok for step in told.values()), told
    assert list(told) == ["name", "images", "types", "network", "rights", "quota"]


def test_a_quota_that_is_too_small_is_found_for_each_kind(stage: AmazonStage) -> None:
    stage.emulator.knobs.quota = {"on-demand": 5, "spot": 3}
    told = before(stage, size=3)["quota"]
    assert not told.ok and "6 processors" in told.found and "L-1216C47A" in told.hint
    told = before(stage, size=3, spot=True)["quota"]
    assert not told.ok and "4 processors of spot" in told.found and "L-34B43A08" in told.hint
    assert before(stage, size=2)["quota"].ok
    assert before(stage, size=2, spot=True)["quota"].ok


def test_images_types_and_rights_that_are_gone_are_found(stage: AmazonStage) -> None:
    assert not before(stage, node_image="ami-0123456789abcdef0")["images"].ok
    assert not before(stage, zones=("eu-central-1a", "eu-central-1z"))["types"].ok
    stage.emulator.policy = {
        "Statement": [
            each
            for each in stage.emulator.policy["Statement"]
            if each["Sid"] != "WithEncryptedDisks"
        ]
    }
    told = before(stage)["rights"]
    assert not told.ok and "ec2:RunInstances" in told.hint


def test_without_a_way_out_only_an_image_that_has_all_will_do(stage: AmazonStage) -> None:
    vpc, _ = private_network(stage, way_out="none")
    found = resolved(stage, network=vpc)
    told = before(stage, network=vpc, zones=found.zones)["network"]
    assert not told.ok and "bring an image" in told.hint
    images = region(stage).backend.amis
    own = copy.copy(images[found.node_image])
    own.id, own.owner_id = "ami-0123456789abcdef0", "111122223333"
    images[own.id] = own
    wanted = {"network": vpc, "zones": found.zones, "node_image": own.id, "master_image": own.id}
    told = before(stage, **wanted)["network"]
    assert told.ok and "images must have all" in told.found


def test_a_key_pair_that_is_not_there_is_found() -> None:
    stage = AmazonStage(config={"key_name": "rivers"})
    try:
        assert not before(stage)["key pair"].ok
    finally:
        stage.close()


def test_two_portals_in_two_regions_can_not_take_one_name(stage: AmazonStage) -> None:
    async def scenario() -> None:
        first, second = Actor(stage), Actor(stage, portal=UUID(int=8))
        for actor, where in ((first, "eu-central-1"), (second, "eu-west-1")):
            blueprint = await actor.cloud.resolve(ClusterSpec("alps", region=where))
            actor.claim = replace(await actor.claimed(), blueprint=blueprint)
        outcomes = await asyncio.gather(first.prepared(), second.prepared(), return_exceptions=True)
        refused = [each for each in outcomes if isinstance(each, BaseException)]
        assert len(refused) == 1 and isinstance(refused[0], NameTaken), outcomes
        for actor in (first, second):
            await actor.dismantled()
        assert stage.remains() == []

    asyncio.run(scenario())


def test_a_survey_finds_clusters_in_all_regions_and_tells_what_they_are(
    stage: AmazonStage,
) -> None:
    async def scenario() -> None:
        here, there = Actor(stage), Actor(stage, "fens")
        await here.running(1)
        blueprint = await there.cloud.resolve(ClusterSpec("fens", region="us-west-2"))
        there.claim = replace(await there.claimed(), blueprint=blueprint)
        await there.prepared()
        found = {each.name: each for each in await stage.make_cloud().survey()}
        assert (found["alps"].region, found["fens"].region) == ("eu-central-1", "us-west-2")
        assert found["alps"].blueprint.node_type == "t3.small"
        assert found["alps"].blueprint.network.startswith("vpc-")
        kinds = sorted(each.kind for each in found["alps"].resources)
        assert kinds == sorted(
            ["instance"] * 2 + ["volume"] * 2 + ["network-interface"] * 2
            + ["security-group"] * 2 + ["launch-template"] * 3
        )  # fmt: skip
        # What a survey found is enough to go on with.
        finder = Actor(stage)
        finder.uuid, finder.claim = (
            here.uuid,
            replace(await here.claimed(), blueprint=found["alps"].blueprint),
        )
        await finder.cloud.launch(await finder.prepared(), finder.order(1))
        assert len(await finder.alive()) == 3

    asyncio.run(scenario())
