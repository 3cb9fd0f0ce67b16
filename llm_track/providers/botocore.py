"""Amazon Bedrock through boto3: of all the services that botocore calls, the two by which models are asked."""

from __future__ import annotations

from llm_track.providers import Provider, Target, _aws
from llm_track.providers._aws_body import listen

PROVIDER = Provider(
    name="botocore",
    distribution="botocore",
    targets=(Target("botocore.client", "BaseClient._make_api_call", _aws.read),),
    to_json=lambda result: None,
    failure=_aws.failure,
    answer=_aws.answer,
    gives_response=_aws.gives_response,
    listen=listen,
    asks_models=_aws.asks_models,
    counts=_aws.counts,
)
