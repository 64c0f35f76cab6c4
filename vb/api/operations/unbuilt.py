"""The operations of the contract that this version does not have yet: declared, documented, and answered with 501.

One line each: name, method, path, status, errors, VSI command (with the payload names of its path parameters when they
are not the usual ones), query parameters with ``?``, fields of the body in the notation of ``vb.api.notation``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from vb.api.operation import TABLE, NotBuilt, Operation
from vb.api.services import Services

_SHORT: Final = {
    "@tts": "text! voice! model_id language prompt volume:int provider api_key",
    "@stt": "language partial:bool provider api_key model keyterms:array endpointing:int utterance_end_ms:int"
    " eager_eot_threshold:number eot_threshold:number eot_timeout_ms:int language_hints:array",
    "@siprec": "srs_uri! leg_ids:array session_id app_id auth_username auth_password headers:object",
    "@amd": "initial_silence_timeout:int greeting_duration:int after_greeting_silence:int total_analysis_time:int"
    " minimum_word_length:int beep_timeout:int",
    "@stream": "direction lang content label room_id role",
    "@elevenlabs": "agent_id! first_message language dynamic_variables:object api_key",
    "@vapi": "assistant_id! first_message variable_values:object api_key",
    "@wsquery": "?sample_rate ?wire_format ?sample_format ?room_id ?app_id ?rtt ?webhook_url ?webhook_secret",
    "@in": "room_id! role",
    "@deepgram": "settings:object greeting language api_key",
}
_TAGS: Final = {"legs": "Legs", "rooms": "Rooms", "sip": "SIP", "webrtc": "WebRTC"}

_TABLE: Final = """
wsLeg GET /legs/websocket 101 400,500 - @wsquery
moqLeg CONNECT /legs/moq 200 400,500,503 - ?sample_rate ?room_id ?app_id ?webhook_url ?webhook_secret
sendRTT POST /legs/{id}/rtt 200 400,404,409,500 send_leg_rtt text!
acceptRTTLeg POST /legs/{id}/rtt/accept 200 404 accept_leg_rtt
rejectRTTLeg POST /legs/{id}/rtt/reject 200 404 reject_leg_rtt
ttsLeg POST /legs/{id}/tts 200 400,404,409,503 leg_tts @tts
preflightTTSLeg POST /legs/{id}/tts/preflight 200 400,404,409,503 leg_tts_preflight @tts
commitTTSLeg POST /legs/{id}/tts/{ttsID}/commit 200 404,409 leg_tts_commit
discardTTSLeg DELETE /legs/{id}/tts/{ttsID} 200 404,409 leg_tts_discard
sttLeg POST /legs/{id}/stt 200 404,409,503 leg_stt_start @stt
stopSTTLeg DELETE /legs/{id}/stt 200 404 leg_stt_stop
finalizeSTTLeg POST /legs/{id}/stt/finalize 200 404,409,501 leg_stt_finalize
agentLegElevenLabs POST /legs/{id}/agent/elevenlabs 200 400,404,409,503 leg_agent_elevenlabs @elevenlabs
agentLegVAPI POST /legs/{id}/agent/vapi 200 400,404,409,503 leg_agent_vapi @vapi
agentLegPipecat POST /legs/{id}/agent/pipecat 200 400,404,409 leg_agent_pipecat websocket_url!
agentLegDeepgram POST /legs/{id}/agent/deepgram 200 400,404,409,503 leg_agent_deepgram @deepgram
agentLegMessage POST /legs/{id}/agent/message 200 400,404,409,501 leg_agent_message message!
stopAgentLeg DELETE /legs/{id}/agent 200 404 leg_agent_stop
startAMDLeg POST /legs/{id}/amd 200 400,404,409 leg_amd_start @amd
getICECandidates GET /legs/{id}/ice-candidates 200 400,404 webrtc_get_candidates
addICECandidate POST /legs/{id}/ice-candidates 200 400,404,500 webrtc_add_candidate
startRoomSIPREC POST /rooms/{id}/siprec 201 400,403,404,409,502 room_siprec_start @siprec
getSIPRECSession GET /legs/{id}/siprec 200 400,404 siprec_get
startLegSIPREC POST /legs/{id}/siprec 201 400,403,404,409,502 leg_siprec_start @siprec
listLegStreams GET /legs/{id}/streams 200 400,404 leg_stream_list
addLegStream POST /legs/{id}/streams 201 400,404,409,500 leg_stream_add(leg_id) @stream
getLegStream GET /legs/{id}/streams/{streamId} 200 400,404 leg_stream_get(leg_id,stream_id)
updateLegStream PATCH /legs/{id}/streams/{streamId} 200 400,404 leg_stream_update(leg_id,stream_id) role
removeLegStream DELETE /legs/{id}/streams/{streamId} 204 400,404,409 leg_stream_remove(leg_id,stream_id)
attachLegStreamRoom POST /legs/{id}/streams/{streamId}/room 200 400,404,409 leg_stream_attach_room(leg_id,stream_id) @in
detachLegStreamRoom DELETE /legs/{id}/streams/{streamId}/room 200 400,404 leg_stream_detach_room(leg_id,stream_id)
ttsRoom POST /rooms/{id}/tts 200 400,404,409,503 room_tts @tts
sttRoom POST /rooms/{id}/stt 200 404,409,503 room_stt_start @stt
stopSTTRoom DELETE /rooms/{id}/stt 200 404 room_stt_stop
agentRoomElevenLabs POST /rooms/{id}/agent/elevenlabs 200 400,404,409,503 room_agent_elevenlabs @elevenlabs
agentRoomVAPI POST /rooms/{id}/agent/vapi 200 400,404,409,503 room_agent_vapi @vapi
agentRoomPipecat POST /rooms/{id}/agent/pipecat 200 400,404,409 room_agent_pipecat websocket_url!
agentRoomDeepgram POST /rooms/{id}/agent/deepgram 200 400,404,409,503 room_agent_deepgram @deepgram
agentRoomMessage POST /rooms/{id}/agent/message 200 400,404,409,501 room_agent_message message!
stopAgentRoom DELETE /rooms/{id}/agent 200 404 room_agent_stop
wsRoom GET /rooms/{id}/ws 101 404 -
listSIPTrunks GET /sip/trunks 200 - list_sip_trunks
createSIPTrunk POST /sip/trunks 202 400,501 create_sip_trunk type! app_id sip_register:object ip_ip:object
getSIPTrunk GET /sip/trunks/{id} 200 404 get_sip_trunk
deleteSIPTrunk DELETE /sip/trunks/{id} 202 404 delete_sip_trunk
webrtcOffer POST /webrtc/offer 200 400,500 webrtc_offer sdp! app_id
"""


def _refusal(name: str) -> Callable[..., Any]:
    def refuse(services: Services, *_: Any) -> Any:
        raise NotBuilt(f"{name} is not built yet")

    return refuse


def _declare(line: str) -> None:
    name, method, path, status, errors, command, *rest = line.split()
    rest = [word for short in rest for word in _SHORT.get(short, short).split()]
    vsi, _, ids = command.strip(")").partition("(")
    parameters = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    TABLE.add(
        Operation(
            name=name,
            method=method,
            path=path,
            tag=_TAGS[path.split("/")[1]],
            summary="Not built yet: 501.",
            status=int(status),
            errors=tuple(int(code) for code in errors.split(",") if code != "-"),
            run=_refusal(name),
            query=tuple(word[1:] for word in rest if word.startswith("?")),
            fields=" ".join(word for word in rest if not word.startswith("?")),
            vsi=vsi.replace("-", ""),
            vsi_names=dict(zip(parameters, ids.split(","), strict=False)) if ids else {},
            websocket=status == "101",
            built=False,
        )
    )


for _line in _TABLE.strip().splitlines():
    _declare(_line)
