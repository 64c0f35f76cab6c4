"""Every event type and its fields beside the envelope, in the notation of ``vb.api.notation``; ``!``: always there."""

from __future__ import annotations

from typing import Final

EVENTS: Final[dict[str, str]] = {
    "leg.ringing": "leg_id! app_id leg_type uri from to"
    " sip_headers:object offered_codecs:array trunk_id source_address authenticated:bool auth_username",
    "leg.early_media": "leg_id! app_id leg_type!",
    "leg.connected": "leg_id! app_id leg_type! codec srtp",
    "leg.disconnected": "leg_id! app_id cdr!:object quality:object sip_code:int sip_reason",
    "leg.joined_room": "leg_id room_id app_id",
    "leg.left_room": "leg_id room_id app_id",
    "leg.muted": "leg_id! app_id",
    "leg.unmuted": "leg_id! app_id",
    "leg.deaf": "leg_id! app_id",
    "leg.undeaf": "leg_id! app_id",
    "leg.hold": "leg_id! app_id leg_type!",
    "leg.unhold": "leg_id! app_id leg_type!",
    "leg.command_failed": "leg_id! app_id command! error!",
    "leg.stream_added": "leg_id! app_id stream_id mid direction lang room_id role reason",
    "leg.stream_removed": "leg_id! app_id stream_id mid direction lang room_id role reason",
    "leg.stream_rejected": "leg_id! app_id stream_id mid direction lang room_id role reason",
    "leg.stream_failed": "leg_id! app_id stream_id mid direction lang room_id role reason",
    "leg.stream_room_changed": "leg_id! app_id stream_id mid direction lang room_id role reason",
    "leg.stream_role_changed": "leg_id! app_id stream_id mid direction lang room_id role reason",
    "siprec.session_started": "leg_id! app_id session_id data_mode participants!:array streams!:array",
    "siprec.session_ended": "leg_id! app_id session_id reason",
    "siprec.metadata_updated": "leg_id! app_id session_id data_mode"
    " participants_joined:array participants_left:array streams_added:array streams_removed:array streams!:array",
    "siprec.participant_joined": "leg_id! app_id session_id label"
    " leg_stream_id participant_id participant_aor participant_name",
    "siprec.participant_left": "leg_id! app_id session_id label"
    " leg_stream_id participant_id participant_aor participant_name",
    "dtmf.received": "leg_id! app_id digit! seq!:int method! duration_ms!:int",
    "rtt.received": "leg_id! app_id text! seq!:int loss_marker:bool",
    "speaking.started": "leg_id room_id app_id",
    "speaking.stopped": "leg_id room_id app_id",
    "playback.started": "leg_id room_id app_id playback_id!",
    "playback.finished": "leg_id room_id app_id playback_id! reason! played_ms!:int",
    "playback.error": "leg_id room_id app_id playback_id! error!",
    "tts.started": "leg_id room_id app_id tts_id!",
    "tts.finished": "leg_id room_id app_id tts_id! reason! played_ms!:int",
    "tts.error": "leg_id room_id app_id tts_id! error! category!",
    "tts.staged": "leg_id room_id app_id tts_id! bytes!:int duration_ms!:int",
    "tts.discarded": "leg_id room_id app_id tts_id! reason!",
    "recording.started": "leg_id room_id app_id file!",
    "recording.finished": "leg_id room_id app_id file! multi_channel_file channels:object omitted_legs:array",
    "recording.paused": "leg_id room_id app_id file!",
    "recording.resumed": "leg_id room_id app_id file!",
    "leg.transfer_initiated": "leg_id! app_id kind! target! replaces_leg_id",
    "leg.transfer_requested": "leg_id! app_id kind! target! replaces_call_id declined!:bool",
    "leg.transfer_progress": "leg_id! app_id status_code!:int reason",
    "leg.transfer_completed": "leg_id! app_id status_code!:int reason",
    "leg.transfer_failed": "leg_id! app_id status_code:int reason error",
    "room.created": "room_id! app_id",
    "room.deleted": "room_id! app_id",
    "room.bridged": "bridge_id! room_a_id! room_b_id! app_id direction!",
    "room.bridge_updated": "bridge_id! room_a_id! room_b_id! app_id direction!",
    "room.unbridged": "bridge_id! room_a_id! room_b_id! app_id reason",
    "room.routing_changed": "room_id! app_id matrix!:object reason!",
    "leg.role_changed": "leg_id room_id app_id old_role! new_role!",
    "stt.text": "leg_id room_id app_id stream_id"
    " text! is_final!:bool speech_final!:bool audio_start_ms:int audio_end_ms:int",
    "stt.turn": "leg_id room_id app_id stream_id event! turn_index:int"
    " text end_of_turn_confidence:number audio_window_start_ms:int"
    " audio_window_end_ms:int last_word_end_ms:int words:array languages:array",
    "agent.connected": "leg_id room_id app_id conversation_id!",
    "agent.disconnected": "leg_id room_id app_id",
    "agent.user_transcript": "leg_id room_id app_id text!",
    "agent.agent_response": "leg_id room_id app_id text!",
    "amd.result": "leg_id! app_id result! initial_silence_ms!:int greeting_duration_ms!:int total_analysis_ms!:int",
    "amd.beep": "leg_id! app_id beep_ms!:int",
    "sip.registration_attempt": "app_id attempt_id! aor! contact"
    " source_address transport user_agent call_id has_authorization:bool",
    "sip.registration_active": "app_id aor! contact! socket!"
    " transport! user_agent call_id granted_expires_seconds!:int expires_at!",
    "sip.registration_expired": "app_id aor! contact! socket reason!",
    "sip.outbound_registration_active": "app_id trunk_id! aor! registrar!"
    " contact! granted_expires_seconds!:int expires_at! call_id source_address",
    "sip.outbound_registration_failed": "app_id trunk_id! aor! registrar! status_code:int reason error",
    "sip.outbound_registration_expired": "app_id trunk_id! aor! registrar! reason!",
    "sip.message_received": "leg_id app_id from! to! content_type! body!",
    "sip.trunk_qualified": "app_id trunk_id! reachable!:bool rtt_ms:number",
    "media.gap": "leg_id! app_id started_at! duration_ms!:int",
    "playback.cleared": "leg_id room_id app_id playback_id! played_ms!:int",
    "server.draining": "",
}
