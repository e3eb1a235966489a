"""The policy in the documentation gives what the house needs, and nothing else."""

from __future__ import annotations

import asyncio
import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oceanid.clouds.testing.stage import Actor
from oceanid.errors import CloudDenied
from oceanid.states import MachineState, Role
from tests.clouds.amazon.emulator import ROOT_KEY, shipped_policy
from tests.contract.clouds.amazon_stage import KEY, AmazonStage


@pytest.fixture
def stage() -> Iterator[AmazonStage]:
    made = AmazonStage()
    yield made
    made.close()


def client(stage: AmazonStage, key: str, service: str = "ec2") -> Any:
    import boto3

    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=stage.served.address, region_name="eu-central-1",
        aws_access_key_id=key, aws_secret_access_key="x" * 40,
    )  # fmt: skip


def denied(what: Any) -> bool:
    from botocore.exceptions import ClientError

    try:
        what()
    except ClientError as refused:
        code = refused.response["Error"]["Code"]
        assert code in ("UnauthorizedOperation", "AccessDenied", "AccessDeniedException"), code
        return True
    return False


def test_the_policy_has_no_star_but_for_looking() -> None:
    for statement in shipped_policy()["Statement"]:
        actions = statement["Action"]
        actions = actions if isinstance(actions, list) else [actions]
        assert not any("*" in each for each in actions), statement["Sid"]
        if statement["Resource"] == "*":
            assert all(each.split(":")[1].startswith(("Describe", "Get")) for each in actions), (
                statement["Sid"]
            )
    assert len(json.dumps(shipped_policy(), separators=(",", ":"))) < 6144, "IAM's own limit"


def test_the_documentation_shows_exactly_this_policy() -> None:
    page = (Path(__file__).parents[3] / "docs/how-to/amazon-credentials.md").read_text()
    (shown,) = re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert json.loads(shown) == shipped_policy()


def test_machines_of_others_can_not_be_touched(stage: AmazonStage) -> None:
    root, ours = client(stage, ROOT_KEY), client(stage, KEY)
    subnet = root.describe_subnets()["Subnets"][0]["SubnetId"]
    image = root.describe_images(Owners=["136693071363"])["Images"][0]["ImageId"]
    theirs = root.run_instances(
        ImageId=image, InstanceType="t3.small", MinCount=1, MaxCount=1,
        NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": subnet}],
    )["Instances"][0]["InstanceId"]  # fmt: skip
    group = root.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    assert denied(lambda: ours.terminate_instances(InstanceIds=[theirs]))
    assert denied(lambda: ours.stop_instances(InstanceIds=[theirs]))
    assert denied(lambda: ours.get_console_output(InstanceId=theirs))
    assert denied(lambda: ours.delete_security_group(GroupId=group))
    assert denied(
        lambda: ours.create_tags(
            Resources=[theirs], Tags=[{"Key": "oceanid-cluster", "Value": "mine"}]
        )
    ), "or it could be made its own"
    assert not denied(lambda: root.stop_instances(InstanceIds=[theirs]))


@pytest.mark.parametrize(
    "without", ["tags", "guarded metadata", "encryption", "nothing"], ids=lambda each: each
)
def test_machines_can_only_be_made_as_the_house_makes_them(
    stage: AmazonStage, without: str
) -> None:
    ours = client(stage, KEY)
    subnet = ours.describe_subnets()["Subnets"][0]["SubnetId"]
    image = ours.describe_images(Owners=["136693071363"])["Images"][0]["ImageId"]
    tags = [{"Key": "oceanid-cluster", "Value": "00000000-0000-0000-0000-000000000001"}]
    kinds = ("instance", "volume", "network-interface")
    request: dict[str, Any] = {
        "ImageId": image, "InstanceType": "t3.small", "MinCount": 1, "MaxCount": 1,
        "NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": subnet}],
        "MetadataOptions": {"HttpTokens": "required"},
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True, "VolumeSize": 30}}
        ],
        "TagSpecifications": [{"ResourceType": each, "Tags": tags} for each in kinds],
    }  # fmt: skip
    taken = {
        "tags": "TagSpecifications", "guarded metadata": "MetadataOptions",
        "encryption": "BlockDeviceMappings",
    }  # fmt: skip
    request.pop(taken.get(without, ""), None)
    assert denied(lambda: ours.run_instances(**request)) == (without != "nothing")


def test_nothing_of_the_account_beside_can_be_had(stage: AmazonStage) -> None:
    ours = client(stage, KEY)
    assert denied(lambda: ours.create_key_pair(KeyName="mine"))
    assert denied(lambda: ours.create_vpc(CidrBlock="10.0.0.0/16"))
    assert denied(lambda: ours.create_security_group(GroupName="mine", Description="mine"))
    assert denied(lambda: client(stage, KEY, "iam").list_users())
    assert denied(lambda: client(stage, KEY, "ssm").get_parameters(Names=["mine"]))


NEEDED = sorted(
    {
        action
        for statement in shipped_policy()["Statement"]
        for action in (
            statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        )
    }
    - {"sts:GetCallerIdentity", "ec2:DescribeKeyPairs"}  # what an account's check asks for
    - {"servicequotas:GetServiceQuota"}  # what may be missing
    - {"ec2:DeleteVolume", "ec2:DeleteNetworkInterface"}  # what is for leaks only
)


@pytest.mark.parametrize("action", NEEDED)
def test_each_right_is_needed_and_told_by_name_when_it_is_missing(action: str) -> None:
    policy = copy.deepcopy(dict(shipped_policy()))
    for statement in policy["Statement"]:
        actions = statement["Action"]
        actions = actions if isinstance(actions, list) else [actions]
        statement["Action"] = [each for each in actions if each != action]
    stage = AmazonStage(policy=policy)

    async def scenario() -> None:
        actor = Actor(stage)
        claim = await actor.prepared()
        await actor.cloud.prepare(claim, type(actor.ground)("key", ("203.0.113.0/24",)))
        master = await actor.cloud.launch(claim, actor.order(1, Role.MASTER))
        await actor.settled(1, MachineState.RUNNING)
        await actor.cloud.console(claim, master.machines[0])
        await actor.cloud.stop(claim, master.machines)
        await actor.settled(1, MachineState.STOPPED)
        await actor.cloud.start(claim, master.machines)
        await actor.cloud.survey()
        await actor.dismantled()

    try:
        with pytest.raises(CloudDenied) as refused:
            asyncio.run(scenario())
        assert action in refused.value.hint
    finally:
        stage.close()


def test_a_quota_that_may_not_be_looked_at_is_no_fault() -> None:
    policy = copy.deepcopy(dict(shipped_policy()))
    policy["Statement"][0]["Action"].remove("servicequotas:GetServiceQuota")
    stage = AmazonStage(policy=policy)

    async def scenario() -> None:
        actor = Actor(stage)
        steps = await actor.cloud.preflight(await actor.claimed(), size=3)
        (quota,) = [step for step in steps if step.name == "quota"]
        assert quota.ok and "servicequotas:GetServiceQuota" in quota.found

    try:
        asyncio.run(scenario())
    finally:
        stage.close()
